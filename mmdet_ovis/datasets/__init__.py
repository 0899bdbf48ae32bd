"""Datasets and their transforms."""

from ..structures.class_splits import register_split
from . import transforms
from .coco_split import CocoSplitDataset
from .online_pseudo_label import OnlinePseudoLabelDataset
from .openshapes import SEEN_CLASSES
from .pseudo_label import PseudoLabelCocoDataset

register_split('openshapes_seen', SEEN_CLASSES, complement='openshapes_unseen')

__all__ = [
    'CocoSplitDataset',
    'OnlinePseudoLabelDataset',
    'PseudoLabelCocoDataset',
    'transforms',
]
