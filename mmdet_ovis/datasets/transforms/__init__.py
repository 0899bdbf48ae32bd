"""Transforms of data pipelines."""

from .instance_flags import LoadInstanceFlags, PackInstanceInputs

__all__ = ['LoadInstanceFlags', 'PackInstanceInputs']
