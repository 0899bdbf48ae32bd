"""Inferencers for affinity and for any words, and the image demo."""

from .affinity_inferencer import AffinityInferencer
from .ovis_inferencer import OVISInferencer

__all__ = ['AffinityInferencer', 'OVISInferencer']
