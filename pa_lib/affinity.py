"""Affinity maps: their neighbourhood, and their reduction to one channel."""

from __future__ import annotations

import numpy as np

NEIGHBOR_OFFSETS = (
    (-1, 0),
    (0, -1),
    (-1, -1),
    (1, -1),
    (1, 0),
    (0, 1),
    (1, 1),
    (-1, 1),
)
"""Offsets (row, column) of the neighbour that each channel compares a pixel with.

Channel k + 4 looks in the opposite direction of channel k, so predictors of undirected
pairs keep the first four.
"""

# Bilinear upsampling of probabilities may leave [0, 1] by rounding, no more.
_RANGE_TOLERANCE = 1e-5


def interior_affinity(affinity: np.ndarray) -> np.ndarray:
    """Check a predicted affinity and reduce it to one map, high inside objects.

    Takes O(C N) time for N pixels.

    Args:
        affinity: (H, W) or (C, H, W) array of a floating type with values in [0, 1];
            C is 1, 4 or 8 and channels follow `NEIGHBOR_OFFSETS`.

    Returns:
        (H, W) float64 array in [0, 1].

    Raises:
        ValueError: If the shape, the type or a value is not as described; the message
            says which.

    Example:
        >>> interior_affinity(np.array([[0.25, 1.0]], np.float32))
        array([[0.25, 1.  ]])
        >>> interior_affinity(np.array([[0.5, np.nan]]))
        Traceback (most recent call last):
            ...
        ValueError: affinity holds NaN in 1 of 2 places, first at index (0, 1)
    """
    affinity = np.asarray(affinity)
    _check_layout(affinity)
    _check_values(affinity)
    if affinity.ndim == 3:
        affinity = reduce_channels(affinity)
    interior = affinity.astype(np.float64)
    return np.clip(interior, 0.0, 1.0, out=interior)


def reduce_channels(affinity: np.ndarray) -> np.ndarray:
    """Take the minimum over the neighbours of each pixel that lie in the image.

    Channels that look across the frame of the image were never supervised there, so
    they are left out. A single channel is returned as it is. A pixel all of whose
    neighbours lie outside (the first one of a four-channel map, or the only pixel of an
    image) keeps the minimum over all channels.

    Args:
        affinity: (C, H, W) float array, C being 1, 4 or 8.

    Returns:
        (H, W) float array.

    Example:
        >>> affinity = np.ones((8, 2, 2))
        >>> affinity[0] = [[0.1, 0.1], [0.6, 0.7]]  # towards the row above
        >>> reduce_channels(affinity)
        array([[1. , 1. ],
               [0.6, 0.7]])
    """
    if len(affinity) == 1:
        return affinity[0]
    masked = affinity.copy()
    for channel, (di, dj) in zip(masked, NEIGHBOR_OFFSETS, strict=False):
        if di:
            channel[0 if di < 0 else -1] = np.inf
        if dj:
            channel[:, 0 if dj < 0 else -1] = np.inf
    reduced = masked.min(axis=0)
    return np.where(np.isinf(reduced), affinity.min(axis=0), reduced)


def boundary_strength(interior: np.ndarray) -> np.ndarray:
    """Turn interior affinity into boundary strength, its complement to 1.

    Args:
        interior: (H, W) float array in [0, 1].

    Returns:
        (H, W) float array in [0, 1], high at object boundaries.

    Example:
        >>> boundary_strength(np.array([[1.0, 0.25]]))
        array([[0.  , 0.75]])
    """
    return 1.0 - interior


def _check_layout(affinity: np.ndarray) -> None:
    if affinity.ndim not in (2, 3):
        raise ValueError(
            'affinity must have the shape (H, W) or (C, H, W), got '
            f'{affinity.ndim} dimensions: {affinity.shape}'
        )
    if affinity.ndim == 3 and len(affinity) not in (1, 4, 8):
        raise ValueError(
            'affinity must have 1, 4 or 8 channels, got '
            f'{len(affinity)} in the shape {affinity.shape}'
        )
    if affinity.size == 0:
        raise ValueError(f'affinity is empty: its shape is {affinity.shape}')
    if not np.issubdtype(affinity.dtype, np.floating):
        raise ValueError(
            f'affinity must be of a floating type in [0, 1], got {affinity.dtype}'
        )


def _check_values(affinity: np.ndarray) -> None:
    # Two passes over a good map; what is wrong is looked for in a bad one only. NaN
    # makes both comparisons false.
    low, high = affinity.min(), affinity.max()
    if low >= -_RANGE_TOLERANCE and high <= 1.0 + _RANGE_TOLERANCE:
        return
    _refuse(affinity, np.isnan(affinity), 'NaN')
    _refuse(affinity, np.isinf(affinity), 'infinite values')
    outside = (affinity < -_RANGE_TOLERANCE) | (affinity > 1.0 + _RANGE_TOLERANCE)
    _refuse(affinity, outside, 'values outside [0, 1]')


def _refuse(affinity: np.ndarray, wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f'affinity holds {what} in {np.count_nonzero(wrong)} of {affinity.size} '
            f'places, first at index {first}'
        )
