"""Extraction: from a trained network to pseudo annotations of a dataset."""

from .extract import extract_pseudo_labels
from .job import ExtractionInterrupted
from .networks import AffinityNetwork, EvidenceNetwork, TeacherNetwork

__all__ = [
    'AffinityNetwork',
    'EvidenceNetwork',
    'ExtractionInterrupted',
    'TeacherNetwork',
    'extract_pseudo_labels',
]
