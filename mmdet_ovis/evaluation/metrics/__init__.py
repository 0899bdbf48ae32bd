"""Metrics that configs name."""

from .open_world_coco_metric import OpenWorldCocoMetric
from .pairwise_affinity_metric import PairwiseAffinityMetric

__all__ = ['OpenWorldCocoMetric', 'PairwiseAffinityMetric']
