"""Losses: functions for the mathematics, modules for configs."""

from .affinity_loss import AffinityLoss, SoftFocalAffinityLoss, affinity_loss
from .grounding_loss import grounding_distances, grounding_losses, grounding_scores
from .multiple_instance_loss import multiple_instance_loss, proposal_log_scores
from .noisy_mask_loss import noise_scale, noisy_mask_loss
from .pseudo_label_weighting import PseudoLabelWeighting
from .weighted_mask_loss import weighted_mask_cross_entropy

__all__ = [
    'AffinityLoss',
    'PseudoLabelWeighting',
    'SoftFocalAffinityLoss',
    'affinity_loss',
    'grounding_distances',
    'grounding_losses',
    'grounding_scores',
    'multiple_instance_loss',
    'noise_scale',
    'noisy_mask_loss',
    'proposal_log_scores',
    'weighted_mask_cross_entropy',
]
