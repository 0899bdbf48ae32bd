"""Globalization on the region graph: the normalized cut of whole regions.

The eigenvectors of the pixel graph (:mod:`pa_lib.spectral`) are nearly constant within
regions. Here they are exactly so: the generalized eigenproblem of all pixels is
restricted to vectors with one value a region (a Rayleigh-Ritz projection), which leaves
a few hundred unknowns in place of a few hundred thousand.

References: Shi and Malik, Normalized Cuts and Image Segmentation, PAMI 2000; Taylor,
Towards Fast and Accurate Segmentation, CVPR 2013, for cuts of watershed regions.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

from pa_lib.cython_lib import region_similarity
from pa_lib.spectral import smallest_eigenpairs

_NEIGHBOURS = ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:]))
"""Pixels that have a lower neighbour, and these; then the same to the right."""


def globalize_regions(
    labels: np.ndarray,
    boundary: np.ndarray,
    pairs: np.ndarray,
    weights: np.ndarray,
    blend: float,
    nvec: int = 16,
    gamma: float = 0.12,
) -> np.ndarray:
    """Blend the weights of a region graph with their spectral counterparts.

    Takes O(N) time for N pixels, and about O(L^1.5) for L regions.

    Args:
        labels: (H, W) int32 array, labels 1..L.
        boundary: (H, W) float array in [0, 1], local boundary strength.
        pairs: (E, 2) int32 array of adjacent regions, indices from 0, the lower one
            first, in lexical order.
        weights: (E,) float array in [0, 1], local strength between them.
        blend: Share of the spectral strength in [0, 1].
        nvec: Number of eigenvectors, the constant one included.
        gamma: Boundary strength at which the similarity has fallen to 1 / e.

    Returns:
        (E,) float64 array in [0, 1].

    Example:
        >>> labels = np.array([[1, 1, 2, 2, 3, 3]], np.int32)
        >>> boundary = np.array([[0, 0.5, 0.5, 0.1, 0.1, 0]])
        >>> pairs, weights = np.array([[0, 1], [1, 2]]), np.array([0.5, 0.1])
        >>> globalize_regions(labels, boundary, pairs, weights, 1.0, 2).round(3)
        array([1.   , 0.065])
    """
    affinity = region_affinity(labels, boundary, gamma)
    nvec = min(nvec, affinity.shape[0])
    with threadpool_limits(limits=1, user_api='blas'):
        values, vectors = smallest_eigenpairs(affinity, nvec)
    strength = _pair_strength(vectors[:, 1:], values[1:], pairs)
    peak = strength.max(initial=0.0)
    if peak > 0:
        strength /= peak
    return (1.0 - blend) * weights + blend * strength


def region_affinity(
    labels: np.ndarray, boundary: np.ndarray, gamma: float
) -> scipy.sparse.csr_array:
    """Sum the pixel graph over regions.

    The pixel graph joins 4-neighbours and every pixel with itself, see
    :func:`pa_lib.spectral.pixel_affinity`.

    Args:
        labels: (H, W) int32 array, labels 1..L.
        boundary: (H, W) float array in [0, 1].
        gamma: Boundary strength at which the affinity has fallen to 1 / e.

    Returns:
        (L, L) symmetric sparse array; entry (i, j) is the sum of the affinities between
        the pixels of the regions i and j, the row sums are those of all pixels.

    Example:
        >>> labels = np.array([[1, 1, 2]], np.int32)
        >>> region_affinity(labels, np.zeros((1, 3)), 0.12).toarray()
        array([[4., 1.],
               [1., 1.]])
    """
    within, pairs, across = region_similarity(labels, boundary, gamma)
    index = np.arange(len(within))
    low, high = pairs.T
    entries = np.concatenate([within, across, across])
    places = np.concatenate([index, low, high]), np.concatenate([index, high, low])
    return scipy.sparse.csr_array((entries, places), shape=(len(within),) * 2)


def draw_pairs(
    labels: np.ndarray, pairs: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Draw the weights of a region graph where its regions touch.

    Args:
        labels: (H, W) int32 array, labels 1..L.
        pairs: (E, 2) int32 array of adjacent regions, indices from 0, the lower one
            first, in lexical order; pairs that are left out count as 0.
        weights: (E,) float array, not negative.

    Returns:
        (H, W) float64 array: at a pixel with 4-neighbours in other regions the largest
        weight of these pairs, 0 elsewhere.

    Example:
        >>> labels = np.array([[1, 1, 2, 3]], np.int32)
        >>> draw_pairs(labels, np.array([[0, 1], [1, 2]]), np.array([0.3, 0.7]))
        array([[0. , 0.3, 0.7, 0.7]])
    """
    n_regions = int(labels.max())
    keys = pairs[:, 0].astype(np.int64) * n_regions + pairs[:, 1]
    drawn = np.zeros(labels.shape)
    for before, after in _NEIGHBOURS:
        low = np.minimum(labels[before], labels[after]) - 1
        high = np.maximum(labels[before], labels[after]) - 1
        key = low.astype(np.int64) * n_regions + high
        place = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        weight = np.where(keys[place] == key, weights[place], 0.0)
        drawn[before] = np.maximum(drawn[before], weight)
        drawn[after] = np.maximum(drawn[after], weight)
    return drawn


def _pair_strength(
    vectors: np.ndarray, eigenvalues: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Sum the jumps of eigenvectors between adjacent regions, as between pixels."""
    extent = np.ptp(vectors, axis=0)
    varies = extent > 0
    scaled = vectors[:, varies] / (extent[varies] * np.sqrt(eigenvalues[varies]))
    jumps = np.abs(scaled[pairs[:, 0]] - scaled[pairs[:, 1]]).sum(axis=1)
    return jumps ** (1.0 / np.sqrt(2.0))
