"""Building blocks that several models share."""

from .affinity_targets import affinity_targets, affinity_weights, instance_palette
from .conv_block import ConvBlock
from .embedding_classifier import EmbeddingClassifier, class_scores
from .mask_targets import crop_mask_targets
from .pyramid_pooling import PyramidPooling, resize
from .region_choice import choose_regions, word_similarities
from .vocabulary_mixin import InstalledVocabulary, VocabularyMixin

__all__ = [
    'ConvBlock',
    'EmbeddingClassifier',
    'InstalledVocabulary',
    'PyramidPooling',
    'VocabularyMixin',
    'affinity_targets',
    'affinity_weights',
    'choose_regions',
    'class_scores',
    'crop_mask_targets',
    'instance_palette',
    'resize',
    'word_similarities',
]
