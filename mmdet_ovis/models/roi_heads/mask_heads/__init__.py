"""Heads that draw and judge masks."""

from .oln_mask_iou_head import OlnMaskIoUHead

__all__ = ['OlnMaskIoUHead']
