"""Generation: from captions and a vision-language model to pseudo masks of words."""

from .generate import generate_pseudo_masks

__all__ = ['generate_pseudo_masks']
