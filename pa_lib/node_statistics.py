"""Exact statistics of the nodes of a merge tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class NodeStatistics:
    """Exact statistics of all n nodes of a merge tree, in node order.

    With S the pixels of a node, its inner ring are the pixels of S that have a
    4-neighbour outside S, its outer ring the pixels outside S that have one in S. The
    frame of the image belongs to no ring.

    Attributes:
        area: (n,) int64, pixels of S.
        inner_area: (n,) int64, pixels of the inner ring.
        ring_area: (n,) int64, pixels of both rings.
        total: (n,) float64, sum of the weights over S.
        inner_total: (n,) float64, sum over the inner ring.
        ring_total: (n,) float64, sum over both rings.
        sides: (n, 4) int64, pixels of S in the top row, the bottom row, the left and
            the right column of the image; a corner counts on two sides.
        boxes: (n, 4) int64, tight boxes (x, y, width, height), px.
    """

    area: np.ndarray
    inner_area: np.ndarray
    ring_area: np.ndarray
    total: np.ndarray
    inner_total: np.ndarray
    ring_total: np.ndarray
    sides: np.ndarray
    boxes: np.ndarray


def divide(
    numerator: np.ndarray, denominator: np.ndarray, empty: float | np.ndarray
) -> np.ndarray:
    """Divide sums by counts, with another value where nothing was counted.

    Args:
        numerator: (n,) array.
        denominator: (n,) array.
        empty: Value, or (n,) array of values, where the denominator is zero.

    Returns:
        (n,) float64 array.

    Example:
        >>> divide(np.array([1, 2]), np.array([2, 0]), empty=-1.0)
        array([ 0.5, -1. ])
    """
    result = np.empty(numerator.shape)
    result[...] = empty
    return np.divide(numerator, denominator, out=result, where=denominator != 0)
