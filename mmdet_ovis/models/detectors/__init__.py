"""Whole models: what a config's ``model`` names."""

from .pairwise_affinity import PairwiseAffinityPredictor
from .weakly_supervised_proposal_network import WeaklySupervisedProposalNetwork

__all__ = ['PairwiseAffinityPredictor', 'WeaklySupervisedProposalNetwork']
