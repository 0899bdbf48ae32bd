"""Loading checkpoints and annotation files, writing files."""

from . import mmengine_files  # noqa: F401  (makes mmengine strict)
from .checkpoint import CheckpointError, load_checkpoint, load_model_checkpoint
from .coco import load_coco
from .io import atomic_open, atomic_write_json, atomic_write_text, read_json

__all__ = [
    'CheckpointError',
    'atomic_open',
    'atomic_write_json',
    'atomic_write_text',
    'load_checkpoint',
    'load_coco',
    'load_model_checkpoint',
    'read_json',
]
