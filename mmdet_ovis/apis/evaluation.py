"""Open-world recall of a results file, without a model."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..evaluation.coco_objects import GroundTruth, Results
from ..evaluation.coco_shapes import IOU_TYPES
from ..evaluation.functional.open_world_recall import MAX_DETS
from ..evaluation.open_world import evaluate_open_world, split_category_ids
from ..utils.coco import load_coco
from ..utils.io import read_json


def evaluate_recall(
    gt: str | os.PathLike,
    dt: str | os.PathLike,
    eval_class: str | Sequence[str] = 'all',
    seen_class: str | Sequence[str] | None = None,
    iou_types: Sequence[str] = ('segm',),
    protocol: str = 'xclass',
    max_dets: Sequence[int] = MAX_DETS,
) -> dict[str, float]:
    """Evaluate a file of detections or pseudo labels on a COCO annotation file.

    Args:
        gt (str | PathLike): COCO annotation file with the objects of all classes. All
            its images are evaluated.
        dt (str | PathLike): JSON file: a list of COCO results, an annotation file whose
            annotations carry a ``score`` (merged pseudo labels), or a list that holds
            one list of results an image (extracted masks).
        eval_class (str | Sequence[str]): Split to score, see
            `mmdet_ovis.structures.class_splits.resolve_split`.
        seen_class (str | Sequence[str], optional): Split of the ``seen_`` keys.
            Default: all other classes.
        iou_types (Sequence[str]): ``'bbox'``, ``'segm'`` or both.
        protocol (str): ``'xclass'``, ``'coco_ignore'`` or ``'filtered_gt'``, see
            `mmdet_ovis.evaluation.functional.open_world_recall.evaluate_image`.
        max_dets (Sequence[int]): Budgets k of AR@k, with 100 among them.

    Returns:
        dict[str, float]: The keys of `OpenWorldCocoMetric` without its prefix, for
        example ``segm_AR@100``, ``seen_segm_AR@100``, ``all_segm_AR@100``.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is broken, its entries lack a key or do not fit the
            images, or a parameter is unknown; the message names file, entry and key.
    """
    unknown = set(iou_types) - set(IOU_TYPES)
    if unknown or not iou_types:
        raise ValueError(f"iou_types must be 'bbox', 'segm' or both, got {iou_types!r}")
    ground_truth = GroundTruth(load_coco(gt).dataset, str(gt))
    splits = split_category_ids(ground_truth, eval_class, seen_class)
    results = Results(read_json(dt), ground_truth, str(dt))
    return evaluate_open_world(
        ground_truth, results.detections, splits, iou_types, protocol, max_dets
    )
