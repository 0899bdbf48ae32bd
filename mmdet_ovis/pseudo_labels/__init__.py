"""Pseudo labels: where they come from, how they are kept, merged and chosen."""

from . import sources
from .class_selection import AssemblyOptions
from .coco_assembly import AssemblyReport, assemble_coco
from .export import export_per_image, read_per_image
from .filters import (
    drop_contained_annotations,
    score_weight,
    select_pseudo_annotations,
)
from .gt_iou import fill_gt_iou
from .interpolation import interpolate_extracted_masks
from .merge import MergeOptions, MergeSummary, merge_annotations
from .quarantine import TooManyBrokenError
from .reader import load_pseudo_annotations
from .run_folder import OutputInUseError
from .shards import Shard
from .signature import RunSignature, SignatureMismatchError
from .store import PseudoLabelStore

__all__ = [
    'AssemblyOptions',
    'AssemblyReport',
    'MergeOptions',
    'MergeSummary',
    'OutputInUseError',
    'PseudoLabelStore',
    'RunSignature',
    'Shard',
    'SignatureMismatchError',
    'TooManyBrokenError',
    'assemble_coco',
    'drop_contained_annotations',
    'export_per_image',
    'fill_gt_iou',
    'interpolate_extracted_masks',
    'load_pseudo_annotations',
    'merge_annotations',
    'read_per_image',
    'score_weight',
    'select_pseudo_annotations',
    'sources',
]
