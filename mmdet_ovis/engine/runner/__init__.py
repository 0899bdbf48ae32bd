"""Runners and loops."""

from .ovis_runner import OVISRunner
from .vocabulary_loops import OVTestLoop, OVValLoop

__all__ = ['OVISRunner', 'OVTestLoop', 'OVValLoop']
