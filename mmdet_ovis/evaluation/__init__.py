"""Open-world recall of detections and quality of pairwise affinities."""

from .metrics import OpenWorldCocoMetric, PairwiseAffinityMetric

__all__ = ['OpenWorldCocoMetric', 'PairwiseAffinityMetric']
