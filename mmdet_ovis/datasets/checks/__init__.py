"""Checking annotation files before they are used."""

from .coco import CheckReport, check_coco

__all__ = ['CheckReport', 'check_coco']
