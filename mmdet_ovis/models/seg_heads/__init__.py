"""Heads that predict dense maps."""

from .base_affinity_head import BaseAffinityHead, ImageTargets
from .simple_affinity_head import SimpleAffinityHead
from .uper_affinity_head import UPerAffinityHead

__all__ = [
    'BaseAffinityHead',
    'ImageTargets',
    'SimpleAffinityHead',
    'UPerAffinityHead',
]
