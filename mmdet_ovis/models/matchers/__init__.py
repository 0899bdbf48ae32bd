"""Networks that tell whether images and texts belong together."""

from .image_text_matcher import ImageTextMatcher

__all__ = ['ImageTextMatcher']
