"""Training and testing loops around the models."""

from .runner import OVISRunner

__all__ = ['OVISRunner']
