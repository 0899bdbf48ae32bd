"""Precision and recall of a boundary map against instance boundaries.

Named as in the Berkeley benchmark (Martin et al., PAMI 2004; Arbelaez et al., PAMI
2011): ODS, the best F of one threshold for the dataset; OIS, F where each image has its
best threshold; AP, the area under the curve. Unlike there, pixels need not be matched
one to one: a predicted pixel is right if *any* true boundary pixel is within the
tolerance, and a true pixel is found if *any* predicted one is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BOUNDARY_THRESHOLDS = np.linspace(0, 1, 52)[1:-1]
"""50 evenly spaced boundary strengths, 1/51 to 50/51."""


def instance_boundary(palette: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mark the pixels with an in-image 8-neighbour of another instance or background.

    Both sides of a boundary are marked, so it is two pixels wide.

    Args:
        palette (NDArray[np.integer]): Shape (H, W), instance ids, 0 for background.

    Returns:
        NDArray[np.bool_]: Shape (H, W).

    Examples:
        >>> instance_boundary(np.array([[1, 1, 2, 2]])).tolist()
        [[False, True, True, False]]
    """
    # 'nearest' repeats pixels that are neighbours anyway, so the frame is no boundary.
    highest = ndimage.maximum_filter(palette, size=3, mode='nearest')
    return highest != ndimage.minimum_filter(palette, size=3, mode='nearest')


def boundary_counts(
    strength: NDArray[np.floating],
    boundary: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    tolerance: int = 0,
    thresholds: NDArray[np.float64] = BOUNDARY_THRESHOLDS,
) -> NDArray[np.int64]:
    """Count predicted and true boundary pixels of one image at each threshold.

    A pixel is predicted where ``strength >= threshold``. Pixels that are not valid are
    neither predicted nor true. Complexity: one sort of the valid pixels, whatever the
    number of thresholds.

    Args:
        strength (NDArray[np.floating]): Shape (H, W), in [0, 1], high on boundaries.
        boundary (NDArray[np.bool_]): Shape (H, W), the true boundary.
        valid (NDArray[np.bool_]): Shape (H, W), where predictions are judged.
        tolerance (int): Largest Euclidean distance of a match, in pixels.
        thresholds (NDArray[np.float64]): Shape (T,).

    Returns:
        NDArray[np.int64]: Shape (4, T): predicted pixels, right ones among them, true
        pixels, found ones among them.
    """
    boundary = boundary & valid
    strength = np.where(valid, strength, -1.0)
    near_boundary, strongest_nearby = boundary, strength
    if tolerance > 0:
        offsets = np.mgrid[-tolerance : tolerance + 1, -tolerance : tolerance + 1]
        disk = (offsets**2).sum(axis=0) <= tolerance**2
        near_boundary = ndimage.binary_dilation(boundary, disk)
        strongest_nearby = ndimage.maximum_filter(
            strength, footprint=disk, mode='constant', cval=-1.0
        )
    return np.stack(
        [
            _count_at_least(strength[valid], thresholds),
            _count_at_least(strength[valid & near_boundary], thresholds),
            np.full(len(thresholds), boundary.sum()),
            _count_at_least(strongest_nearby[boundary], thresholds),
        ]
    ).astype(np.int64)


def _count_at_least(
    values: NDArray[np.floating], thresholds: NDArray[np.float64]
) -> NDArray[np.intp]:
    return len(values) - np.searchsorted(np.sort(values), thresholds, side='left')


def boundary_scores(
    counts: Sequence[NDArray[np.int64]],
    thresholds: NDArray[np.float64] = BOUNDARY_THRESHOLDS,
) -> dict[str, float]:
    """Summarise the counts of a dataset.

    Args:
        counts (Sequence[NDArray[np.int64]]): Results of `boundary_counts`, one an
            image.
        thresholds (NDArray[np.float64]): Shape (T,), those of the counts.

    Returns:
        dict[str, float]: ``ODS``, ``OIS`` and ``AP`` in [0, 1], and ``precision``,
        ``recall`` and ``threshold`` at the ODS; all -1.0 if there is no boundary.
    """
    by_image = np.asarray(counts).reshape(-1, 4, len(thresholds))  # n x 4 x T
    names = ('ODS', 'OIS', 'AP', 'precision', 'recall', 'threshold')
    total = by_image.sum(axis=0)
    if total[2, 0] == 0:
        return dict.fromkeys(names, -1.0)
    precision, recall, f_score = _precision_recall_f(total)
    best = int(f_score.argmax())

    # Of equally good thresholds the highest: where nothing can be found, predict least.
    per_image_f = _precision_recall_f(by_image.swapaxes(0, 1))[2][:, ::-1]
    choice = len(thresholds) - 1 - per_image_f.argmax(axis=1)
    chosen = np.take_along_axis(by_image, choice[:, None, None], axis=2)
    _, _, ois = _precision_recall_f(chosen.sum(axis=0))
    values = (
        f_score[best],
        ois[0],
        _average_precision(precision, recall),
        precision[best],
        recall[best],
        thresholds[best],
    )
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _precision_recall_f(counts: NDArray[np.int64]) -> tuple[NDArray, NDArray, NDArray]:
    """Divide counts (4, ...); a ratio of nothing is 0."""
    predicted, right, true, found = counts
    precision = right / np.maximum(predicted, 1)
    recall = found / np.maximum(true, 1)
    f_score = 2 * precision * recall / np.maximum(precision + recall, np.spacing(1))
    return precision, recall, f_score


def _average_precision(precision: NDArray, recall: NDArray) -> float:
    """Average the best precision at or above each of 101 recall values."""
    reaches = recall >= np.linspace(0, 1, 101)[:, None]  # 101 x T
    return float(np.where(reaches, precision, 0.0).max(axis=1).mean())
