"""Transforms of data pipelines."""

from .caption_texts import SampleCaptionTexts
from .instance_flags import LoadInstanceFlags, PackInstanceInputs

__all__ = ['LoadInstanceFlags', 'PackInstanceInputs', 'SampleCaptionTexts']
