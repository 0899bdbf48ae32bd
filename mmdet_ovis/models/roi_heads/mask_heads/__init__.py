"""Heads that draw and judge masks."""

from .oln_mask_iou_head import OlnMaskIoUHead
from .weighted_mask_head import WeightedFCNMaskHead

__all__ = ['OlnMaskIoUHead', 'WeightedFCNMaskHead']
