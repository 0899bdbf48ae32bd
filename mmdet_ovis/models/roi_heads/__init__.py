"""Heads on regions of interest."""

from .bbox_heads import (
    Shared2FCBBoxScoreHead,
    WeightedInstancesMixin,
    WeightedShared2FCBBoxHead,
)
from .mask_heads import OlnMaskIoUHead, WeightedFCNMaskHead
from .oln_roi_head import OlnMaskRoIHead, OlnRoIHead
from .weighted_sampler import WeightedRandomSampler

__all__ = [
    'OlnMaskIoUHead',
    'OlnMaskRoIHead',
    'OlnRoIHead',
    'Shared2FCBBoxScoreHead',
    'WeightedFCNMaskHead',
    'WeightedInstancesMixin',
    'WeightedRandomSampler',
    'WeightedShared2FCBBoxHead',
]
