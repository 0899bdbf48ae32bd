"""Sources of pseudo labels: evidence about one image in, annotations out."""

from .affinity import AffinityEvidence, AffinitySource
from .base import (
    DroppedPhrase,
    Evidence,
    PseudoLabelSource,
    SourceOutput,
    build_annotations,
)
from .file import FileSource
from .gradcam import GradCamEvidence, GradCamSource
from .teacher import TeacherEvidence, TeacherSource

__all__ = [
    'AffinityEvidence',
    'AffinitySource',
    'DroppedPhrase',
    'Evidence',
    'FileSource',
    'GradCamEvidence',
    'GradCamSource',
    'PseudoLabelSource',
    'SourceOutput',
    'TeacherEvidence',
    'TeacherSource',
    'build_annotations',
]
