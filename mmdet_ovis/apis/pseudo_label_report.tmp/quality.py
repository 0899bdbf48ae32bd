"""Pseudo labels held against ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..evaluation.coco_objects import Detections, GroundTruth, Results
from ..evaluation.coco_shapes import shape_ious
from ..evaluation.functional.matching import match_greedy
from ..evaluation.open_world import SPLIT_PREFIXES, evaluate_open_world
from ..structures.pseudo_annotation import PseudoAnnotation
from ..utils.progress import show_progress

BUDGETS = (1, 3, 10, 20, 100)
"""Masks an image with which recall is measured."""

MIN_IOU = 0.5
"""From here on a mask shows an object."""

OUTCOMES = ('seen', 'unseen', 'object', 'repeat', 'crowd', 'nothing')
"""What a mask shows: an object of a seen, of an unseen or of any class, one that a
better mask shows already, a crowd, or nothing that is annotated."""


@dataclass(frozen=True)
class ImageQuality:
    """How the masks of one image fit its objects.

    Args:
        outcomes (list[str]): n of :data:`OUTCOMES`, one a mask.
        mask_ious (NDArray[np.float64]): Shape (n,), best IoU with any object.
        object_ious (NDArray[np.float64]): Shape (G,), best IoU with any mask.
        categories (NDArray[np.int64]): Shape (G,), those of the objects.
    """

    outcomes: list[str]
    mask_ious: NDArray[np.float64]
    object_ious: NDArray[np.float64]
    categories: NDArray[np.int64]


def judge_image(
    anns: Sequence[PseudoAnnotation],
    image_id: int,
    truth: GroundTruth,
    splits: Mapping[str, set[int]],
) -> ImageQuality:
    """Compare the masks of an image with its objects.

    Each mask in turn, best rank first, takes the free object of highest IoU, if that
    is at least :data:`MIN_IOU`.

    Args:
        anns (Sequence[PseudoAnnotation]): n masks, best first.
        image_id (int): The image.
        truth (GroundTruth): All its objects.
        splits (Mapping[str, set[int]]): Category ids of ``seen`` and ``unseen``, if
            classes are seen.

    Returns:
        ImageQuality: Crowds are no objects.
    """
    objects = truth.objects(image_id, 'segm')
    rles = [ann['segmentation'] for ann in anns]
    ious = shape_ious(rles, objects.shapes, objects.crowd)  # n x G
    matches = match_greedy(
        ious, objects.crowd[None], objects.crowd, iou_thresholds=[MIN_IOU]
    )[0, 0]
    single = ~objects.crowd
    best = ious[:, single].max(axis=1, initial=0)
    outcomes = [
        _outcome(match, overlap, objects.crowd, objects.category_ids, splits)
        for match, overlap in zip(matches, best, strict=True)
    ]
    return ImageQuality(
        outcomes=outcomes,
        mask_ious=best,
        object_ious=ious[:, single].max(axis=0, initial=0),
        categories=objects.category_ids[single],
    )


def _outcome(
    match: int,
    best_iou: float,
    crowd: NDArray[np.bool_],
    categories: NDArray[np.int64],
    splits: Mapping[str, set[int]],
) -> str:
    if match < 0:
        return 'repeat' if best_iou >= MIN_IOU else 'nothing'
    if crowd[match]:
        return 'crowd'
    for split in ('seen', 'unseen'):
        if categories[match] in splits.get(split, ()):
            return split
    return 'object'


def judge_images(
    by_image: Mapping[int, Sequence[PseudoAnnotation]],
    truth: GroundTruth,
    splits: Mapping[str, set[int]],
) -> dict[int, ImageQuality]:
    """Apply :func:`judge_image` to all images of the ground truth."""
    qualities = {}
    with show_progress('overlaps', len(truth.sizes)) as advance:
        for image_id in truth.image_ids:
            anns = by_image.get(image_id, [])
            qualities[image_id] = judge_image(anns, image_id, truth, splits)
            advance()
    return qualities


def measure_quality(
    by_image: Mapping[int, Sequence[PseudoAnnotation]],
    qualities: Mapping[int, ImageQuality],
    truth: GroundTruth,
    splits: Mapping[str, set[int]],
    where: str,
) -> dict[str, dict[str, float]]:
    """Measure recall and precision on all images of the ground truth.

    Args:
        by_image (Mapping): Masks of each image, best first.
        qualities (Mapping[int, ImageQuality]): What :func:`judge_images` says of them.
        truth (GroundTruth): Objects; images without masks count.
        splits (Mapping[str, set[int]]): Category ids by split.
        where (str): Where the masks come from, for messages.

    Returns:
        dict[str, dict[str, float]]: By split ``AR@k`` for :data:`BUDGETS`,
        ``AR50@100``, ``best_iou`` (mean over objects of the best IoU with a mask) and
        ``precision`` (share of the masks that show an object, each object once; masks
        on other classes or crowds do not count); -1 where there is nothing to measure.
    """
    results = Results(list(by_image.values()), truth, where)
    with show_progress('recall', len(truth.sizes)) as advance:

        def detections(image_id: int, iou_type: str) -> Detections:
            advance()
            return results.detections(image_id, iou_type)

        recall = evaluate_open_world(truth, detections, dict(splits), max_dets=BUDGETS)
    metrics = {}
    for split, categories in splits.items():
        prefix = f'{SPLIT_PREFIXES[split]}segm_'
        keys = [*(f'AR@{k}' for k in BUDGETS), 'AR50@100']
        ious = [
            quality.object_ious[np.isin(quality.categories, list(categories))]
            for quality in qualities.values()
        ]
        metrics[split] = {
            **{key: recall[f'{prefix}{key}'] for key in keys},
            'best_iou': mean(np.concatenate(ious)),
            'precision': _precision(qualities.values(), split),
        }
    return metrics


def count_outcomes(qualities: Iterable[ImageQuality]) -> dict[str, int]:
    """Count masks by what they show; the keys are :data:`OUTCOMES`."""
    found = Counter(outcome for quality in qualities for outcome in quality.outcomes)
    return {outcome: found[outcome] for outcome in OUTCOMES}


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean, -1 of nothing."""
    return float(values.mean()) if values.size else -1.0


def _precision(qualities: Iterable[ImageQuality], split: str) -> float:
    counts = count_outcomes(qualities)
    right = ('seen', 'unseen', 'object') if split == 'all' else (split,)
    hits = sum(counts[outcome] for outcome in right)
    judged = hits + counts['repeat'] + counts['nothing']
    return hits / judged if judged else -1.0
