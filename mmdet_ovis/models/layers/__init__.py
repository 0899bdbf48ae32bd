"""Building blocks that several models share."""

from .affinity_targets import affinity_targets, affinity_weights, instance_palette
from .conv_block import ConvBlock
from .embedding_classifier import EmbeddingClassifier, class_scores
from .pyramid_pooling import PyramidPooling, resize
from .vocabulary_mixin import InstalledVocabulary, VocabularyMixin

__all__ = [
    'ConvBlock',
    'EmbeddingClassifier',
    'InstalledVocabulary',
    'PyramidPooling',
    'VocabularyMixin',
    'affinity_targets',
    'affinity_weights',
    'class_scores',
    'instance_palette',
    'resize',
]
