"""Sources of pseudo labels: evidence about one image in, annotations out."""

from .affinity import AffinityEvidence, AffinitySource
from .base import Evidence, PseudoLabelSource, SourceOutput, build_annotations
from .file import FileSource

__all__ = [
    'AffinityEvidence',
    'AffinitySource',
    'Evidence',
    'FileSource',
    'PseudoLabelSource',
    'SourceOutput',
    'build_annotations',
]
