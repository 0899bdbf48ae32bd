"""Extraction: from a trained affinity network to pseudo annotations of a dataset."""

from .extract import extract_pseudo_labels
from .job import ExtractionInterrupted

__all__ = ['ExtractionInterrupted', 'extract_pseudo_labels']
