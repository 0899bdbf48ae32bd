"""Training and testing loops around the models."""

from .hooks import AffinityVisualizationHook, DurableCheckpointHook
from .runner import OVISRunner

__all__ = ['AffinityVisualizationHook', 'DurableCheckpointHook', 'OVISRunner']
