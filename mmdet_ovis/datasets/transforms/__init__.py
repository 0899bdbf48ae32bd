"""Transforms of data pipelines."""

from .caption_texts import ChooseCaption, SampleCaptionTexts
from .instance_flags import LoadInstanceFlags, PackInstanceInputs

__all__ = [
    'ChooseCaption',
    'LoadInstanceFlags',
    'PackInstanceInputs',
    'SampleCaptionTexts',
]
