"""Metrics that configs name."""

from .open_world_coco_metric import OpenWorldCocoMetric
from .ov_coco_instance_metric import OVCocoInstanceMetric
from .pairwise_affinity_metric import PairwiseAffinityMetric

__all__ = ['OVCocoInstanceMetric', 'OpenWorldCocoMetric', 'PairwiseAffinityMetric']
