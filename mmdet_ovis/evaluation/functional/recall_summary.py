"""Recall and precision of a dataset from the outcomes of its images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .open_world_recall import (
    AREA_RANGES,
    HEADLINE_DETS,
    MAX_DETS,
    NOT_COUNTED,
    TRUE_POSITIVE,
    ImageOutcome,
)

RECALL_POINTS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class RecallPrecision:
    """Recall and precision of a dataset; -1 where no object counts, as in COCO.

    Attributes:
        recall (NDArray[np.float64]): Shape (S, A, T, K).
        precision (NDArray[np.float64]): Shape (S, A, T, 101), interpolated, with the
            best ``HEADLINE_DETS`` detections of each image.
    """

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


def accumulate(images: Iterable[ImageOutcome]) -> RecallPrecision:
    """Add up images, in the order that breaks ties between equal scores.

    Raises:
        ValueError: If there is no image.
    """
    images = list(images)
    if not images:
        raise ValueError('no image to evaluate')
    num_objects = np.sum([image.num_objects for image in images], axis=0)  # S x A
    hits = np.sum([image.hits for image in images], axis=0)  # S x A x T x K
    recall = np.full(hits.shape, -1.0)
    some = num_objects > 0
    recall[some] = hits[some] / num_objects[some][:, None, None]

    order = np.argsort(-np.concatenate([x.scores for x in images]), kind='stable')
    precision = np.full((*hits.shape[:3], len(RECALL_POINTS)), -1.0)
    for split, area in np.argwhere(some):
        outcomes = np.concatenate([x.outcomes[split, area] for x in images], axis=1)
        for index, row in enumerate(outcomes):
            precision[split, area, index] = interpolated_precision(
                row[order], int(num_objects[split, area])
            )
    return RecallPrecision(recall, precision)


def interpolated_precision(
    outcomes: NDArray[np.uint8], num_objects: int
) -> NDArray[np.float64]:
    """Return COCO's interpolated precision at 101 recall values.

    Args:
        outcomes (NDArray[np.uint8]): Shape (n,), labels of detections in rank order.
        num_objects (int): Number of objects that count, positive.

    Returns:
        NDArray[np.float64]: Shape (101,), the highest precision at that recall or
        above, 0 where the recall is not reached.

    Examples:
        >>> ranked = np.array([TRUE_POSITIVE, 0, NOT_COUNTED, TRUE_POSITIVE])
        >>> interpolated_precision(ranked, num_objects=2)[[0, 50, 51]].round(3).tolist()
        [1.0, 1.0, 0.667]
    """
    true = np.flatnonzero(outcomes == TRUE_POSITIVE)
    counted = np.cumsum(outcomes != NOT_COUNTED)[true]
    num_true = np.arange(1, len(true) + 1)
    # The envelope of the curve has its corners at true positives.
    envelope = np.maximum.accumulate((num_true / (counted + np.spacing(1)))[::-1])[::-1]
    index = np.searchsorted(num_true / num_objects, RECALL_POINTS, side='left')
    return np.append(envelope, 0.0)[index]


def summarize(
    curves: RecallPrecision, prefixes: Sequence[str], max_dets: Sequence[int] = MAX_DETS
) -> dict[str, float]:
    """Name the numbers of a dataset.

    Args:
        curves (RecallPrecision): Result of `accumulate` for S splits.
        prefixes (Sequence[str]): S prefixes of the keys, for example ``'seen_segm_'``.
        max_dets (Sequence[int]): K budgets, ascending, with 100 among them.

    Returns:
        dict[str, float]: Fractions in [0, 1], or -1.0 where no object counts:
        ``AR@k`` for each budget, ``AR@100_s``, ``_m``, ``_l`` by object size,
        ``AR50@100`` (IoU 0.5 alone), ``AP`` and ``AP50`` (with 100 detections an image)
        and ``F1@100``, the harmonic mean of ``AP`` and ``AR@100``.
    """
    headline = list(max_dets).index(HEADLINE_DETS)
    metrics = {}
    for prefix, recall, precision in zip(
        prefixes, curves.recall, curves.precision, strict=True
    ):
        for index, budget in enumerate(max_dets):
            metrics[f'{prefix}AR@{budget}'] = float(recall[0, :, index].mean())
        for name, by_threshold in zip(AREA_RANGES, recall, strict=True):
            if name != 'all':
                value = float(by_threshold[:, headline].mean())
                metrics[f'{prefix}AR@{HEADLINE_DETS}_{name}'] = value
        ar = metrics[f'{prefix}AR@{HEADLINE_DETS}']
        ap = float(precision[0].mean())
        metrics[f'{prefix}AR50@{HEADLINE_DETS}'] = float(recall[0, 0, headline])
        metrics[f'{prefix}AP'] = ap
        metrics[f'{prefix}AP50'] = float(precision[0, 0].mean())
        metrics[f'{prefix}F1@{HEADLINE_DETS}'] = harmonic_mean(ap, ar)
    return metrics


def harmonic_mean(a: float, b: float) -> float:
    """Return the harmonic mean of two fractions, -1.0 if one of them is unknown (-1).

    Examples:
        >>> harmonic_mean(0.6, 0.3), harmonic_mean(0.0, 0.0), harmonic_mean(0.5, -1.0)
        (0.4, 0.0, -1.0)
    """
    if min(a, b) < 0:
        return -1.0
    return 2 * a * b / (a + b) if a + b > 0 else 0.0
