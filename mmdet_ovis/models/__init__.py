"""Networks and their parts, registered in mmdet's ``MODELS``."""

from .dense_heads import OlnRPNHead
from .detectors import PairwiseAffinityPredictor
from .layers import (
    ConvBlock,
    PyramidPooling,
    affinity_targets,
    affinity_weights,
    instance_palette,
)
from .losses import (
    AffinityLoss,
    SoftFocalAffinityLoss,
    affinity_loss,
    weighted_mask_cross_entropy,
)
from .roi_heads import (
    OlnMaskIoUHead,
    OlnMaskRoIHead,
    OlnRoIHead,
    Shared2FCBBoxScoreHead,
    WeightedFCNMaskHead,
    WeightedInstancesMixin,
    WeightedRandomSampler,
    WeightedShared2FCBBoxHead,
)
from .seg_heads import BaseAffinityHead, SimpleAffinityHead, UPerAffinityHead

__all__ = [
    'AffinityLoss',
    'BaseAffinityHead',
    'ConvBlock',
    'OlnMaskIoUHead',
    'OlnMaskRoIHead',
    'OlnRPNHead',
    'OlnRoIHead',
    'PairwiseAffinityPredictor',
    'PyramidPooling',
    'Shared2FCBBoxScoreHead',
    'SimpleAffinityHead',
    'SoftFocalAffinityLoss',
    'UPerAffinityHead',
    'WeightedFCNMaskHead',
    'WeightedInstancesMixin',
    'WeightedRandomSampler',
    'WeightedShared2FCBBoxHead',
    'affinity_loss',
    'affinity_targets',
    'affinity_weights',
    'instance_palette',
    'weighted_mask_cross_entropy',
]
