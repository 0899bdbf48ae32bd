"""Open-world recall and open-vocabulary AP of a results file, without a model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from mmengine.logging import MMLogger

from ..evaluation.coco_objects import GroundTruth, Results
from ..evaluation.coco_shapes import IOU_TYPES
from ..evaluation.functional.open_world_recall import MAX_DETS
from ..evaluation.open_vocabulary import (
    EvaluatedClasses,
    VocabularyScores,
    evaluate_open_vocabulary,
    verified_classes,
)
from ..evaluation.open_world import evaluate_open_world, split_category_ids
from ..structures.base_novel import ClassList, find_base_novel
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
    _check_iou_types(iou_types)
    ground_truth = GroundTruth(load_coco(gt).dataset, str(gt))
    splits = split_category_ids(ground_truth, eval_class, seen_class)
    results = Results(read_json(dt), ground_truth, str(dt))
    return evaluate_open_world(
        ground_truth, results.detections, splits, iou_types, protocol, max_dets
    )


@dataclass(frozen=True)
class VocabularyEvaluation:
    """Numbers of a results file.

    Args:
        classes (EvaluatedClasses): What was evaluated.
        scores (dict[str, VocabularyScores]): By IoU type.
    """

    classes: EvaluatedClasses
    scores: dict[str, VocabularyScores]

    @property
    def metrics(self) -> dict[str, float]:
        """The keys of `OVCocoInstanceMetric` without its prefix."""
        return {k: x for each in self.scores.values() for k, x in each.metrics.items()}


def evaluate_vocabulary(
    gt: str | os.PathLike,
    dt: str | os.PathLike,
    base: ClassList | None = None,
    novel: ClassList | None = None,
    iou_types: Sequence[str] = ('segm',),
    constrained: str | None = None,
    verified_only: bool = False,
) -> VocabularyEvaluation:
    """Evaluate a file of detections with classes on a COCO annotation file.

    If the file has base or novel classes, these are evaluated and no others; else all
    of its categories.

    Args:
        gt (str | PathLike): COCO annotation file.
        dt (str | PathLike): JSON file of COCO results with ``category_id``; the forms
            of `evaluate_recall` are read.
        base (str | Sequence[str], optional): Base classes, a named split or names.
            Default: what ``gt`` says, see
            `mmdet_ovis.structures.base_novel.find_base_novel`.
        novel (str | Sequence[str], optional): The same for novel classes.
        iou_types (Sequence[str]): ``'bbox'``, ``'segm'`` or both.
        constrained (str, optional): ``'base'`` or ``'novel'``: evaluate this group
            only, on images with an object of it.
        verified_only (bool): Drop detections of classes that are not verified for
            their image, see `mmdet_ovis.evaluation.open_vocabulary.verified_classes`.

    Returns:
        VocabularyEvaluation: Metrics, and AP50 by class.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is broken, its entries lack a key or do not fit the
            images, or a class is unknown; the message names file, entry and key.
    """
    _check_iou_types(iou_types)
    dataset = load_coco(gt).dataset
    truth = GroundTruth(dataset, str(gt))
    try:
        groups = find_base_novel(dataset['categories'], base, novel)
    except ValueError as error:
        raise ValueError(f'{gt}: {error}') from None
    names = {*groups.base, *groups.novel} or set(truth.categories.values())
    vocabulary = {i: name for i, name in truth.categories.items() if name in names}
    classes = EvaluatedClasses.of(truth, vocabulary, groups, constrained)
    results = Results(read_json(dt), truth, str(dt))
    _check_categories(results, truth)
    verified = verified_classes(truth) if verified_only else None
    scores = {
        iou_type: evaluate_open_vocabulary(
            truth, results.detections, classes, iou_type, verified
        )
        for iou_type in iou_types
    }
    return VocabularyEvaluation(classes, scores)


def _check_iou_types(iou_types: Sequence[str]) -> None:
    unknown = set(iou_types) - set(IOU_TYPES)
    if unknown or not iou_types:
        raise ValueError(f"iou_types must be 'bbox', 'segm' or both, got {iou_types!r}")


def _check_categories(results: Results, truth: GroundTruth) -> None:
    """Warn of results whose category the annotation file lacks."""
    counts = results.count_categories()
    others = {i: n for i, n in counts.items() if i not in truth.categories}
    if not others:
        return
    number, total = sum(others.values()), sum(counts.values())
    message = (
        f'{results.where}: {number} of {total} results are of categories that '
        f'{truth.where} does not have (for example {min(others)}) and do not count'
    )
    if number == total:
        raise ValueError(f'{message}; are these labels, or ids of another dataset?')
    MMLogger.get_current_instance().warning(message)
