"""Average precision of base and of novel classes.

What is averaged are the arrays that COCO's evaluation accumulates, in which -1 stands
where a class has no object: such a class counts in no mean.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .recall_summary import harmonic_mean

PRECISIONS = {'AP': slice(None), 'AP50': slice(0, 1), 'AP75': slice(5, 6)}
"""Rows of the ten IoU thresholds 0.50:0.05:0.95 over which each number is a mean."""


def summarize_groups(
    precision: NDArray[np.float64],
    recall: Mapping[int, NDArray[np.float64]],
    groups: Mapping[str, NDArray[np.bool_]],
) -> dict[str, float]:
    """Average over the classes of each group.

    Args:
        precision (NDArray[np.float64]): Shape (10, R, C), at ten IoU thresholds, R
            recall values, for C classes; -1 where a class has no object.
        recall (Mapping[int, NDArray[np.float64]]): By number of detections an image,
            shape (10, C); -1 as there.
        groups (Mapping[str, NDArray[np.bool_]]): By name, shape (C,), which classes
            belong to it.

    Returns:
        dict[str, float]: For each group ``g`` ``g_AP``, ``g_AP50`` and ``g_AP75``;
        with base and novel classes ``hm_AP50``, the harmonic mean of both; with novel
        classes ``novel_AR@k`` for each number of detections. Fractions in [0, 1], or
        -1.0 where no class has an object.

    Examples:
        >>> precision = np.full((10, 101, 3), 0.6)
        >>> precision[..., 1], precision[..., 2] = 0.2, -1
        >>> base, novel = np.array([True, False, True]), np.array([False, True, False])
        >>> metrics = summarize_groups(precision, {}, {'base': base, 'novel': novel})
        >>> [round(metrics[f'{name}_AP50'], 3) for name in ('base', 'novel', 'hm')]
        [0.6, 0.2, 0.3]
    """
    metrics = {}
    for group, members in groups.items():
        for name, rows in PRECISIONS.items():
            metrics[f'{group}_{name}'] = mean_of_known(precision[rows][..., members])
    if {'base', 'novel'} <= groups.keys():
        metrics['hm_AP50'] = harmonic_mean(metrics['base_AP50'], metrics['novel_AP50'])
    if 'novel' in groups:
        for budget, by_class in recall.items():
            value = mean_of_known(by_class[:, groups['novel']])
            metrics[f'novel_AR@{budget}'] = value
    return metrics


def average_precision_by_class(
    precision: NDArray[np.float64], name: str = 'AP50'
) -> NDArray[np.float64]:
    """Return a number of ``PRECISIONS`` for each class.

    Args:
        precision (NDArray[np.float64]): Shape (10, R, C), see `summarize_groups`.
        name (str): Which.

    Returns:
        NDArray[np.float64]: Shape (C,), -1.0 for classes without an object.
    """
    chosen = precision[PRECISIONS[name]]
    return np.array([mean_of_known(chosen[..., c]) for c in range(chosen.shape[-1])])


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are not -1, or -1.0 if there is none."""
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0
