"""Datasets and their transforms."""

from ..structures.class_splits import register_split
from . import transforms
from .caption_labels import CaptionLabelDataset
from .captions import CaptionedImage, iter_captioned_images
from .coco_split import CocoSplitDataset
from .online_pseudo_label import OnlinePseudoLabelDataset
from .openshapes import SEEN_CLASSES
from .ov_coco import CaptionedOVCocoDataset, OVCocoDataset
from .ov_pseudo_label import OVPseudoLabelCocoDataset
from .pseudo_label import PseudoLabelCocoDataset

register_split('openshapes_seen', SEEN_CLASSES, complement='openshapes_unseen')

__all__ = [
    'CaptionLabelDataset',
    'CaptionedImage',
    'CaptionedOVCocoDataset',
    'CocoSplitDataset',
    'OVCocoDataset',
    'OVPseudoLabelCocoDataset',
    'OnlinePseudoLabelDataset',
    'PseudoLabelCocoDataset',
    'iter_captioned_images',
    'transforms',
]
