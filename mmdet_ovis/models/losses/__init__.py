"""Losses: functions for the mathematics, modules for configs."""

from .affinity_loss import AffinityLoss, SoftFocalAffinityLoss, affinity_loss
from .multiple_instance_loss import multiple_instance_loss, proposal_log_scores
from .weighted_mask_loss import weighted_mask_cross_entropy

__all__ = [
    'AffinityLoss',
    'SoftFocalAffinityLoss',
    'affinity_loss',
    'multiple_instance_loss',
    'proposal_log_scores',
    'weighted_mask_cross_entropy',
]
