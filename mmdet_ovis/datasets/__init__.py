"""Datasets and their transforms."""

from ..structures.class_splits import register_split
from . import transforms
from .caption_images import CaptionDataset
from .caption_labels import CaptionLabelDataset
from .caption_words import CaptionedOVCocoDataset, CaptionWordsMixin
from .captions import CaptionedImage, iter_captioned_images
from .coco_split import CocoSplitDataset
from .conceptual_captions import ConceptualCaptionsDataset
from .online_pseudo_label import OnlinePseudoLabelDataset
from .openshapes import SEEN_CLASSES
from .ov_coco import OVCocoDataset
from .ov_pseudo_label import OVPseudoLabelCocoDataset
from .pseudo_label import PseudoLabelCocoDataset

register_split('openshapes_seen', SEEN_CLASSES, complement='openshapes_unseen')

__all__ = [
    'CaptionDataset',
    'CaptionLabelDataset',
    'CaptionWordsMixin',
    'CaptionedImage',
    'CaptionedOVCocoDataset',
    'CocoSplitDataset',
    'ConceptualCaptionsDataset',
    'OVCocoDataset',
    'OVPseudoLabelCocoDataset',
    'OnlinePseudoLabelDataset',
    'PseudoLabelCocoDataset',
    'iter_captioned_images',
    'transforms',
]
