"""Heads on regions of interest."""

from .bbox_heads import Shared2FCBBoxScoreHead
from .mask_heads import OlnMaskIoUHead
from .oln_roi_head import OlnMaskRoIHead, OlnRoIHead

__all__ = ['OlnMaskIoUHead', 'OlnMaskRoIHead', 'OlnRoIHead', 'Shared2FCBBoxScoreHead']
