"""A report on a file of pseudo labels, for people and for machines."""

from .report import make_report

__all__ = ['make_report']
