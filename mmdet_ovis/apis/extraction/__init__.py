"""Extraction: from a trained affinity network to pseudo annotations of a dataset."""

from .extract import ExtractionInterrupted, extract_pseudo_labels

__all__ = ['ExtractionInterrupted', 'extract_pseudo_labels']
