"""Open-world recall, open-vocabulary AP, and quality of pairwise affinities."""

from .metrics import OpenWorldCocoMetric, OVCocoInstanceMetric, PairwiseAffinityMetric

__all__ = ['OVCocoInstanceMetric', 'OpenWorldCocoMetric', 'PairwiseAffinityMetric']
