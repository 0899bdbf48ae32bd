"""Training and testing loops around the models."""

from .hooks import (
    AffinityVisualizationHook,
    DurableCheckpointHook,
    NoiseFreezeHook,
    TeacherEMAHook,
    VocabularyHook,
)
from .runner import OVISRunner, OVTestLoop, OVValLoop
from .vocabulary import set_vocabulary, using_vocabulary, vocabulary_heads

__all__ = [
    'AffinityVisualizationHook',
    'DurableCheckpointHook',
    'NoiseFreezeHook',
    'OVISRunner',
    'OVTestLoop',
    'OVValLoop',
    'TeacherEMAHook',
    'VocabularyHook',
    'set_vocabulary',
    'using_vocabulary',
    'vocabulary_heads',
]
