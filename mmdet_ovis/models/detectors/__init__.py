"""Whole models: what a config's ``model`` names."""

from .cross_modal_pseudo_label import CrossModalPseudoLabel
from .pairwise_affinity import PairwiseAffinityPredictor
from .shared_trunk_detector import SharedTrunkDetector
from .weakly_supervised_proposal_network import WeaklySupervisedProposalNetwork

__all__ = [
    'CrossModalPseudoLabel',
    'PairwiseAffinityPredictor',
    'SharedTrunkDetector',
    'WeaklySupervisedProposalNetwork',
]
