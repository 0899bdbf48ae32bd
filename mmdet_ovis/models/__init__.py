"""Networks and their parts, registered in mmdet's ``MODELS``."""

from .detectors import PairwiseAffinityPredictor
from .layers import (
    ConvBlock,
    PyramidPooling,
    affinity_targets,
    affinity_weights,
    instance_palette,
)
from .losses import AffinityLoss, SoftFocalAffinityLoss, affinity_loss
from .seg_heads import BaseAffinityHead, SimpleAffinityHead, UPerAffinityHead

__all__ = [
    'AffinityLoss',
    'BaseAffinityHead',
    'ConvBlock',
    'PairwiseAffinityPredictor',
    'PyramidPooling',
    'SimpleAffinityHead',
    'SoftFocalAffinityLoss',
    'UPerAffinityHead',
    'affinity_loss',
    'affinity_targets',
    'affinity_weights',
    'instance_palette',
]
