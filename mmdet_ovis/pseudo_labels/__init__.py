"""Pseudo labels: where they come from, how they are kept, merged and chosen."""

from . import sources
from .filters import select_pseudo_annotations
from .interpolation import interpolate_extracted_masks
from .merge import MergeOptions, MergeSummary, merge_annotations
from .quarantine import TooManyBrokenError
from .reader import load_pseudo_annotations, load_pseudo_lists
from .signature import RunSignature, SignatureMismatchError
from .store import PseudoLabelStore

__all__ = [
    'MergeOptions',
    'MergeSummary',
    'PseudoLabelStore',
    'RunSignature',
    'SignatureMismatchError',
    'TooManyBrokenError',
    'interpolate_extracted_masks',
    'load_pseudo_annotations',
    'load_pseudo_lists',
    'merge_annotations',
    'select_pseudo_annotations',
    'sources',
]
