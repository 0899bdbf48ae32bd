"""Networks that tell whether images and texts belong together."""

from .caption_grounding import CaptionGrounding
from .image_text_matcher import ImageTextMatcher
from .masked_language_head import MaskedLanguageHead

__all__ = ['CaptionGrounding', 'ImageTextMatcher', 'MaskedLanguageHead']
