"""Building blocks that several models share."""

from .affinity_targets import affinity_targets, affinity_weights, instance_palette
from .conv_block import ConvBlock
from .pyramid_pooling import PyramidPooling, resize

__all__ = [
    'ConvBlock',
    'PyramidPooling',
    'affinity_targets',
    'affinity_weights',
    'instance_palette',
    'resize',
]
