"""Finest partition: one region around each local maximum of interior affinity."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pa_lib.cython_lib import watershed, window_maximum


def finest_partition(
    interior: np.ndarray, edge_thresh: float = 0.0, footprint_size: int = 20
) -> np.ndarray:
    """Cut an affinity map into catchment basins.

    Takes O(N log N) time and O(N) memory for N pixels. Reference: F. Meyer, Topographic
    distance and watershed lines, Signal Processing 38, 1994.

    Args:
        interior: (H, W) float array, high inside objects.
        edge_thresh: Maxima up to this share of the global maximum seed no region.
        footprint_size: Side of the window in which a pixel has to be a maximum, px.

    Returns:
        (H, W) int32 array with labels 1..L, one 8-connected region each; all ones where
        the map has no maximum to start from.

    Example:
        >>> interior = np.full((8, 6), 0.9)
        >>> interior[:, 2:4] = 0.1
        >>> finest_partition(interior)[0]
        array([1, 1, 1, 2, 2, 2], dtype=int32)
    """
    # The watershed compares 32-bit numbers, so the seeds have to.
    relief = interior.astype(np.float32)
    seeds = find_seeds(relief, footprint_size)
    seeds &= interior > edge_thresh * interior.max()
    # Adjacent maxima are equal, so a plateau is one seed: 4-connected components.
    markers, n_seeds = ndimage.label(seeds, output=np.int32)
    if n_seeds < 2:
        return np.ones(interior.shape, np.int32)
    return watershed(np.negative(relief, out=relief), markers)


def find_seeds(interior: np.ndarray, footprint_size: int = 20) -> np.ndarray:
    """Find the pixels that are the maximum of the window around them.

    A window of even size reaches one pixel further up and left than down and right.
    Pixels on the frame of the image and at the global minimum are no seeds, nor is any
    pixel if all are maxima. Takes O(N log size) time.

    Args:
        interior: (H, W) float array.
        footprint_size: Side of the square window, px.

    Returns:
        (H, W) bool array.

    Example:
        >>> interior = np.array([[.1, .1, .1, .1], [.1, .8, .3, .1], [.1, .1, .1, .1]])
        >>> np.argwhere(find_seeds(interior)).tolist()
        [[1, 1]]
    """
    maxima = interior == window_maximum(interior, footprint_size)
    seeds = np.zeros(interior.shape, bool)
    if not maxima.all():
        inner = (slice(1, -1), slice(1, -1))
        seeds[inner] = maxima[inner] & (interior[inner] > interior.min())
    return seeds
