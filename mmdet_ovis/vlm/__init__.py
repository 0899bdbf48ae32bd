"""Vision-language models as evidence: matching scores, token maps, GradCAM."""

from .albef import AlbefMatcher
from .base import ImageState, PhraseMaps, VisionLanguageModel
from .blip import BlipMatcher
from .bridgetower import BridgeTowerMatcher
from .clip_surgery import ClipSurgery
from .conv_matcher import ConvMatcher
from .conv_network import ConvMatcherNetwork
from .cross_attention import CrossAttentionModel, TextTokens, TokenActivation
from .gradcam import attention_gradient, gradcam
from .iterative_masking import IterativeMasking, PhraseActivation

__all__ = [
    'AlbefMatcher',
    'BlipMatcher',
    'BridgeTowerMatcher',
    'ClipSurgery',
    'ConvMatcher',
    'ConvMatcherNetwork',
    'CrossAttentionModel',
    'ImageState',
    'IterativeMasking',
    'PhraseActivation',
    'PhraseMaps',
    'TextTokens',
    'TokenActivation',
    'VisionLanguageModel',
    'attention_gradient',
    'gradcam',
]
