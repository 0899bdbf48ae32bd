"""Boundary maps: watershed lines, and how well they follow the predicted boundary."""

from __future__ import annotations

import numpy as np

from pa_lib.cython_lib import align_strength, edge_directions


def thick_boundary(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels on both sides of all region boundaries.

    Args:
        labels: (H, W) integer array.

    Returns:
        (H, W) bool array: whether any 4-neighbour has another label. The frame of the
        image is no boundary.

    Example:
        >>> thick_boundary(np.array([[1, 1, 2, 2]])).astype(int)
        array([[0, 1, 1, 0]])
    """
    boundary = np.zeros(labels.shape, bool)
    differs = labels[1:] != labels[:-1]
    boundary[1:] |= differs
    boundary[:-1] |= differs
    differs = labels[:, 1:] != labels[:, :-1]
    boundary[:, 1:] |= differs
    boundary[:, :-1] |= differs
    return boundary


def edge_orientation(edge_map: np.ndarray) -> np.ndarray:
    """Estimate the direction of edges from second differences of the smoothed map.

    Smoothing is separable, so the cost is O(N) with a small constant. Reference: the
    structured edge detector of Dollar and Zitnick, PAMI 2015, uses the same estimate.

    Args:
        edge_map: (H, W) float array, edge strength; zero outside the image.

    Returns:
        (H, W) float64 array of angles in [0, pi), radians: 0 for a horizontal line,
        pi / 4 for one that rises to the right, pi / 2 for a vertical one.

    Example:
        >>> line = np.zeros((41, 41))
        >>> line[:, 20] = 1
        >>> float(edge_orientation(line)[20, 20] / np.pi)
        0.5
    """
    angle = np.mod(np.arctan2(*edge_directions(edge_map)), np.pi)
    # An angle just below zero is rounded up to pi by the modulus.
    return np.where(angle >= np.pi, 0.0, angle)


def align_boundary(boundary: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Weigh the boundary on watershed lines by the agreement of directions.

    A line that runs along a predicted boundary keeps its strength, one that crosses it
    loses it. Off the lines the result is zero. Takes O(N) time. Reference: oriented
    watershed transform, Arbelaez et al., PAMI 2011, section 4.1.

    Args:
        boundary: (H, W) float array in [0, 1], predicted boundary strength.
        lines: (H, W) bool array, the watershed lines.

    Returns:
        (H, W) float64 array in [0, 1].

    Example:
        >>> boundary = np.zeros((21, 21))
        >>> boundary[:, 10] = 0.8
        >>> aligned = align_boundary(boundary, boundary > 0)
        >>> float(aligned[10, 10]), float(aligned[10, 12])
        (0.8, 0.0)
    """
    return align_strength(boundary, lines)
