"""Hooks of training and testing."""

from .affinity_visualization_hook import AffinityVisualizationHook
from .checkpoint_hook import DurableCheckpointHook
from .teacher_hooks import NoiseFreezeHook, TeacherEMAHook
from .vocabulary_hook import VocabularyHook

__all__ = [
    'AffinityVisualizationHook',
    'DurableCheckpointHook',
    'NoiseFreezeHook',
    'TeacherEMAHook',
    'VocabularyHook',
]
