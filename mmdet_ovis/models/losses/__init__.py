"""Losses: functions for the mathematics, modules for configs."""

from .affinity_loss import AffinityLoss, SoftFocalAffinityLoss, affinity_loss

__all__ = ['AffinityLoss', 'SoftFocalAffinityLoss', 'affinity_loss']
