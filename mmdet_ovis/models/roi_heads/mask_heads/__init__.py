"""Heads that draw and judge masks."""

from .noisy_mask_head import NoisyFCNMaskHead, NoisyMasks
from .oln_mask_iou_head import OlnMaskIoUHead
from .weighted_mask_head import WeightedFCNMaskHead

__all__ = [
    'NoisyFCNMaskHead',
    'NoisyMasks',
    'OlnMaskIoUHead',
    'WeightedFCNMaskHead',
]
