"""Training and testing loops around the models."""

from .hooks import AffinityVisualizationHook, DurableCheckpointHook, VocabularyHook
from .runner import OVISRunner, OVTestLoop, OVValLoop
from .vocabulary import set_vocabulary, using_vocabulary, vocabulary_heads

__all__ = [
    'AffinityVisualizationHook',
    'DurableCheckpointHook',
    'OVISRunner',
    'OVTestLoop',
    'OVValLoop',
    'VocabularyHook',
    'set_vocabulary',
    'using_vocabulary',
    'vocabulary_heads',
]
