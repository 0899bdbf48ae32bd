"""Greedy matching of ranked regions to objects, as COCO does it.

Many evaluations share one IoU matrix: area ranges and class splits only differ in which
objects they ignore. They are matched together, as *lanes* of one call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""The ten thresholds 0.50, 0.55, ..., 0.95 over which COCO averages."""


def match_greedy(
    ious: ArrayLike,
    ignored: ArrayLike,
    crowd: ArrayLike,
    absent: ArrayLike | None = None,
    iou_thresholds: ArrayLike = IOU_THRESHOLDS,
) -> NDArray[np.int32]:
    """Match detections to objects, best detection first.

    Every detection takes the free object of highest IoU that reaches the threshold
    (``>=``). An object that is not ignored goes before one that is; of two objects with
    the same IoU the later one wins. A crowd object stays free for any number of
    detections. These are the rules of ``pycocotools.cocoeval.COCOeval.evaluateImg``,
    except that an annotation id of 0 has no special meaning here.

    Complexity: O(D T G) for detections that reach at most one object, which need no
    loop; the others go one by one, at O(L T G) each.

    Args:
        ious (ArrayLike): Float array of shape (D, G), rows in rank order.
        ignored (ArrayLike): Bool array of shape (L, G), the objects that each of L
            lanes ignores.
        crowd (ArrayLike): Bool array of shape (G,), the regions without single objects.
        absent (ArrayLike, optional): Bool array of shape (L, G), the objects that do
            not exist in a lane. Default: none.
        iou_thresholds (ArrayLike): Shape (T,).

    Returns:
        NDArray[np.int32]: Shape (L, T, D), the index of the matched object or -1.

    Examples:
        >>> match_greedy([[0.6], [0.9]], [[False]], [False], iou_thresholds=[0.5, 0.8])
        array([[[ 0, -1],
                [-1,  0]]], dtype=int32)
    """
    ious = np.asarray(ious, dtype=np.float64)
    ignored = np.asarray(ignored, dtype=bool)
    crowd = np.asarray(crowd, dtype=bool)
    exists = (
        np.ones_like(ignored) if absent is None else ~np.asarray(absent, dtype=bool)
    )
    # COCO lets a perfect overlap pass a threshold of 1 in spite of rounding.
    thresholds = np.minimum(np.asarray(iou_thresholds, dtype=np.float64), 1 - 1e-10)
    num_dets, num_objects = ious.shape
    matches = np.full((len(ignored), len(thresholds), num_dets), -1, dtype=np.int32)
    if num_dets == 0 or num_objects == 0:
        return matches
    reaches = ious[:, None, :] >= thresholds[:, None]  # D x T x G

    reaches_any = reaches.any(axis=1)  # D x G
    # An object is contested if a detection could take it or another one.
    contested = reaches_any[reaches_any.sum(axis=1) > 1].any(axis=0)
    _match_uncontested(matches, reaches & ~contested, exists, crowd)
    in_turn = np.flatnonzero(reaches_any[:, contested].any(axis=1))
    if len(in_turn):
        _match_contested(matches, in_turn, ious, reaches, ignored, exists, crowd)
    return matches


def _match_uncontested(
    matches: NDArray[np.int32],
    reaches: NDArray[np.bool_],
    exists: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
) -> None:
    """Give each object to the first detection that reaches it, a crowd to all."""
    taken = reaches.copy()  # D x T x G
    single = np.flatnonzero(~crowd)
    # Only the first detection that reaches an object keeps it.
    earlier = np.logical_or.accumulate(reaches[:, :, single], axis=0)[:-1]
    taken[1:, :, single] &= ~earlier
    dets, thresholds, objects = np.nonzero(taken)
    lanes, pairs = np.nonzero(exists[:, objects])
    matches[lanes, thresholds[pairs], dets[pairs]] = objects[pairs]


def _match_contested(
    matches: NDArray[np.int32],
    in_turn: NDArray[np.intp],
    ious: NDArray[np.float64],
    reaches: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
    exists: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
) -> None:
    """Let the detections ``in_turn`` choose one after the other, all lanes at once."""
    num_lanes, num_thresholds, _ = matches.shape
    num_objects = len(crowd)
    # Stable ranks by IoU: the later of two equal objects ranks higher, as in COCO.
    by_iou = ious[in_turn].argsort(axis=1, kind='stable').argsort(axis=1)
    preference = by_iou[:, None, :] + num_objects * ~ignored  # n x L x G
    free = np.repeat(exists[:, None, :], num_thresholds, axis=1)  # L x T x G
    lane_index = np.arange(num_lanes)[:, None]
    threshold_index = np.arange(num_thresholds)
    for turn, det in enumerate(in_turn):
        wish = np.where(free & reaches[det], preference[turn][:, None, :], -1)
        best = wish.argmax(axis=-1)  # L x T
        found = wish[lane_index, threshold_index, best] >= 0
        matches[:, :, det] = np.where(found, best, -1)
        free[lane_index, threshold_index, best] &= ~found | crowd[best]
