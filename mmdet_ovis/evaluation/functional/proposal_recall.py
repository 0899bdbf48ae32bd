"""Recall of ranked proposals, and the best that a set of regions could reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .matching import IOU_THRESHOLDS, match_greedy

PROPOSAL_BUDGETS = (1, 10, 20, 30, 50, 100, 300, 1000)
"""Budgets k of proposal AR@k."""

NEVER = np.iinfo(np.int64).max
"""Rank of the finder of an object that nothing finds."""


def finding_ranks(
    ious: NDArray[np.float64], legacy_strict: bool = False
) -> NDArray[np.int64]:
    """Return the rank of the proposal that finds each object.

    In rank order, each proposal takes the free object of highest IoU that reaches the
    threshold.

    Args:
        ious (NDArray[np.float64]): Shape (n, G), proposals in rank order, best first.
        legacy_strict (bool): Ask for an IoU above the threshold, as the proposal
            evaluation of GGN's reference code does, instead of COCO's at least.

    Returns:
        NDArray[np.int64]: Shape (10, G), for each IoU threshold 0.50:0.05:0.95 the rank
        from 0, or ``NEVER``.

    Examples:
        >>> ious = np.array([[0.5]])
        >>> proposal_recall(finding_ranks(ious), k=1)
        0.1
        >>> proposal_recall(finding_ranks(ious, legacy_strict=True), k=1)
        0.0
    """
    thresholds = IOU_THRESHOLDS
    if legacy_strict:
        # The next number above the threshold is the least one that exceeds it.
        thresholds = np.nextafter(thresholds, 1.0)
    num_objects = ious.shape[1]
    nothing = np.zeros((1, num_objects), dtype=bool)
    matches = match_greedy(ious, nothing, nothing[0], iou_thresholds=thresholds)[0]
    ranks = np.full((len(thresholds), num_objects), NEVER)
    threshold, proposal = np.nonzero(matches >= 0)
    ranks[threshold, matches[threshold, proposal]] = proposal
    return ranks


def proposal_recall(ranks: NDArray[np.int64], k: int | None = None) -> float:
    """Return AR@k of objects, over IoU 0.50:0.05:0.95.

    Args:
        ranks (NDArray[np.int64]): Shape (10, G), see `finding_ranks`; of one image or
            of many side by side, all objects or some.
        k (int, optional): Proposals an image that count. Default: all.

    Returns:
        float: In [0, 1], or -1.0 if there is no object.
    """
    if ranks.shape[1] == 0:
        return -1.0
    return float((ranks < (NEVER if k is None else k)).mean())


def proposal_recalls(
    ranks: NDArray[np.int64], budgets: Sequence[int] = PROPOSAL_BUDGETS
) -> dict[str, float]:
    """Return ``AR@k`` for each budget and ``AR@all``."""
    metrics = {f'AR@{k}': proposal_recall(ranks, k) for k in budgets}
    return {**metrics, 'AR@all': proposal_recall(ranks)}


def recall_by_threshold(
    ranks: NDArray[np.int64], budgets: Sequence[int] = PROPOSAL_BUDGETS
) -> NDArray[np.float64]:
    """Return the recall at each IoU threshold.

    Args:
        ranks (NDArray[np.int64]): Shape (10, G), see `finding_ranks`.
        budgets (Sequence[int]): K numbers of proposals an image.

    Returns:
        NDArray[np.float64]: Shape (10, K + 1), in [0, 1], the last column with all
        proposals; -1.0 everywhere if there is no object. The mean of a column is the AR
        of its budget.
    """
    if ranks.shape[1] == 0:
        return np.full((len(ranks), len(budgets) + 1), -1.0)
    return np.stack([(ranks < k).mean(axis=1) for k in (*budgets, NEVER)], axis=1)


def oracle_recall(best_ious: NDArray[np.float64]) -> float:
    """Return the average recall if each object could choose its region.

    Args:
        best_ious (NDArray[np.float64]): Shape (G,), IoU of the best region.

    Returns:
        float: Share of objects that reach a threshold, averaged over 0.50:0.05:0.95, or
        -1.0 if there is no object.
    """
    if len(best_ious) == 0:
        return -1.0
    return float((best_ious >= IOU_THRESHOLDS[:, None]).mean())
