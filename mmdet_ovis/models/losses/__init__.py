"""Losses: functions for the mathematics, modules for configs."""

from .affinity_loss import AffinityLoss, SoftFocalAffinityLoss, affinity_loss
from .weighted_mask_loss import weighted_mask_cross_entropy

__all__ = [
    'AffinityLoss',
    'SoftFocalAffinityLoss',
    'affinity_loss',
    'weighted_mask_cross_entropy',
]
