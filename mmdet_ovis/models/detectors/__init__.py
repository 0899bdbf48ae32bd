"""Whole models: what a config's ``model`` names."""

from .pairwise_affinity import PairwiseAffinityPredictor

__all__ = ['PairwiseAffinityPredictor']
