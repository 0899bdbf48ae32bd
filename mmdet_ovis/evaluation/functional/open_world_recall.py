"""Average recall and precision where some classes are not to be scored.

The cross-category protocol of OLN (Kim et al., RA-L 2022) that GGN (Wang et al., CVPR
2022) reports: a detector is trained on seen classes and scored on the objects of all
other classes. Finding a seen object is no error, so it must not use up the budget of k
detections an image.

Everything here is class-agnostic and works on arrays. One image is evaluated at once
for S splits (which classes count), A area ranges and T IoU thresholds; a *lane* is one
pair of split and area range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...utils.settings import check_choice
from .matching import IOU_THRESHOLDS, match_greedy

PROTOCOLS = ('xclass', 'coco_ignore', 'filtered_gt')
"""What is done about objects of classes that do not count, see `evaluate_image`."""

MAX_DETS = (10, 20, 30, 50, 100, 300, 500, 1000, 1500)
"""Default budgets k of AR@k."""

HEADLINE_DETS = 100
"""The budget of AP, F1, AR50 and the AR of area ranges, as in COCO."""

AREA_RANGES = {
    'all': (0.0, 1e10),
    's': (0.0, 32.0**2),
    'm': (32.0**2, 96.0**2),
    'l': (96.0**2, 1e10),
}
"""COCO's area ranges in square pixels, both ends inclusive."""

FALSE_POSITIVE, TRUE_POSITIVE, NOT_COUNTED = np.arange(3, dtype=np.uint8)


@dataclass(frozen=True)
class ImageOutcome:
    """What one image adds to recall and precision.

    Attributes:
        num_objects (NDArray[np.int64]): Shape (S, A), objects that count.
        hits (NDArray[np.int64]): Shape (S, A, T, K), objects found within each budget.
        scores (NDArray[np.float64]): Shape (n,), scores of the best detections, sorted;
            enough of them to fill a budget of ``HEADLINE_DETS`` in each lane.
        outcomes (NDArray[np.uint8]): Shape (S, A, T, n), what they are:
            ``FALSE_POSITIVE``, ``TRUE_POSITIVE`` or ``NOT_COUNTED``.
    """

    num_objects: NDArray[np.int64]
    hits: NDArray[np.int64]
    scores: NDArray[np.float64]
    outcomes: NDArray[np.uint8]


def check_protocol(protocol: str, max_dets: Sequence[int]) -> tuple[int, ...]:
    """Check the parameters that all images share.

    Returns:
        tuple[int, ...]: The budgets, ascending.

    Raises:
        ValueError: If the protocol is unknown, a budget is not positive, or 100 is not
            among the budgets.
    """
    check_choice('protocol', protocol, PROTOCOLS)
    budgets = tuple(sorted({int(k) for k in max_dets}))
    if HEADLINE_DETS not in budgets or budgets[0] < 1:
        raise ValueError(
            f'max_dets must be positive and hold {HEADLINE_DETS}, the budget of AP and '
            f'of the AR by area, got {tuple(max_dets)}'
        )
    return budgets


def evaluate_image(
    ious: NDArray[np.float64],
    scores: NDArray[np.float64],
    det_areas: NDArray[np.float64],
    object_areas: NDArray[np.float64],
    crowd: NDArray[np.bool_],
    counts: NDArray[np.bool_],
    protocol: str = 'xclass',
    max_dets: Sequence[int] = MAX_DETS,
) -> ImageOutcome:
    """Match the detections of one image and count hits.

    An object is *ignored* if it is a crowd or outside the area range: detections on it
    are neither right nor wrong, but keep their place in the budget. Objects of classes
    that do not count are treated by protocol:

    - ``xclass``: ignored, and a detection that matches one at the lowest IoU threshold
      (0.5) is removed at all thresholds before the budget is filled. Matching is
      one-to-one, so a duplicate on the same object stays and costs budget, unless the
      object is a crowd.
    - ``coco_ignore``: ignored as above, detections stay in the budget.
    - ``filtered_gt``: they do not exist, detections on them are false positives.

    Args:
        ious (NDArray[np.float64]): Shape (D, G), in [0, 1]; for a crowd the
            intersection over the area of the detection.
        scores (NDArray[np.float64]): Shape (D,), sorted, best first.
        det_areas (NDArray[np.float64]): Shape (D,), in square pixels.
        object_areas (NDArray[np.float64]): Shape (G,), in square pixels.
        crowd (NDArray[np.bool_]): Shape (G,).
        counts (NDArray[np.bool_]): Shape (S, G), objects whose class counts in a split.
        protocol (str): One of ``PROTOCOLS``.
        max_dets (Sequence[int]): K budgets, ascending. Detections past the last one do
            not take part, not even after a removal.

    Returns:
        ImageOutcome: The counts to hand to `recall_summary.accumulate`.
    """
    ious, scores, det_areas = (x[: max_dets[-1]] for x in (ious, scores, det_areas))
    num_splits, num_areas = len(counts), len(AREA_RANGES)
    outside = _outside_area_ranges(object_areas)  # A x G
    other_class = np.repeat(~counts, num_areas, axis=0)  # L x G
    ignored = other_class | np.tile(outside | crowd, (num_splits, 1))
    absent = other_class if protocol == 'filtered_gt' else np.zeros_like(other_class)

    # Most detections reach no object at any threshold: they need no matching.
    reaching = np.flatnonzero(ious.max(axis=1, initial=0) >= IOU_THRESHOLDS[0])
    matches = match_greedy(ious[reaching], ignored, crowd, absent)  # L x T x C
    matched = matches >= 0
    lane = np.arange(len(ignored))[:, None, None]
    on_ignored = np.zeros_like(matched)
    removed = np.zeros((len(ignored), len(reaching)), dtype=bool)
    if matched.any():
        on_ignored = matched & ignored[lane, matches]
        if protocol == 'xclass':
            removed = (matched & other_class[lane, matches])[:, 0]
    hit = matched & ~on_ignored & ~removed[:, None]

    # Place in the budget: own rank minus the removed detections before it.
    place = reaching - (np.cumsum(removed, axis=1) - removed)  # L x C
    within = place[..., None] < np.asarray(max_dets)  # L x C x K
    hits = np.matmul(hit.astype(np.float64), within.astype(np.float64))

    outcomes = _outcomes(
        hit,
        matched,
        removed,
        reaching,
        np.tile(_outside_area_ranges(det_areas), (num_splits, 1)),
    )
    shape = (num_splits, num_areas)
    return ImageOutcome(
        num_objects=(~ignored & ~absent).sum(axis=1).reshape(shape),
        hits=hits.astype(np.int64).reshape(*shape, *hits.shape[1:]),
        scores=scores[: outcomes.shape[-1]].copy(),  # lets go of the others
        outcomes=outcomes.reshape(*shape, *outcomes.shape[1:]),
    )


def _outside_area_ranges(areas: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which areas (n,) lie outside each area range, shape (A, n)."""
    low, high = np.array(list(AREA_RANGES.values())).T[..., None]
    return (areas < low) | (areas > high)


def _outcomes(
    hit: NDArray[np.bool_],
    matched: NDArray[np.bool_],
    removed: NDArray[np.bool_],
    reaching: NDArray[np.intp],
    outside: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """Label the detections that can fill the headline budget, shape (L, T, n).

    A removed detection and one past the budget are labelled ``NOT_COUNTED``: such a
    detection repeats a point of the precision-recall curve, so the curve is the same as
    without it.
    """
    num_dets = outside.shape[1]
    window = min(num_dets, HEADLINE_DETS + int(removed.sum(axis=1).max(initial=0)))
    outside = outside[:, :window]
    num_lanes, num_thresholds, _ = hit.shape
    outcomes = np.empty((num_lanes, num_thresholds, window), dtype=np.uint8)
    outcomes[:] = np.where(outside, NOT_COUNTED, FALSE_POSITIVE)[:, None]

    inside = reaching < window
    columns = reaching[inside]
    labels = np.where(hit, TRUE_POSITIVE, NOT_COUNTED)[..., inside]
    outcomes[..., columns] = np.where(
        matched[..., inside], labels, outcomes[..., columns]
    )

    gone = np.zeros((num_lanes, window), dtype=bool)
    gone[:, columns] = removed[:, inside]
    gone |= np.cumsum(~gone, axis=1) > HEADLINE_DETS
    return np.where(gone[:, None], NOT_COUNTED, outcomes)
