"""From a box and an activation map to a mask: ways to segment a crop."""

from .affinity import ProposalMaskSegmenter
from .base import CropMask, CropSegmenter, CropTask
from .box import BoxSegmenter, PromptSegmenter
from .clustering import (
    BaseClusteringSegmenter,
    ClusteringSegmenter,
    CompatClusteringSegmenter,
)
from .clustering_network import ClusteringOptions
from .random_walker import RandomWalkerSegmenter

__all__ = [
    'BaseClusteringSegmenter',
    'BoxSegmenter',
    'ClusteringOptions',
    'ClusteringSegmenter',
    'CompatClusteringSegmenter',
    'CropMask',
    'CropSegmenter',
    'CropTask',
    'PromptSegmenter',
    'ProposalMaskSegmenter',
    'RandomWalkerSegmenter',
]
