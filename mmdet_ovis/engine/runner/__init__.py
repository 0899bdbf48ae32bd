"""Runners."""

from .ovis_runner import OVISRunner

__all__ = ['OVISRunner']
