"""Globalization: boundaries seen by the eigenvectors of the whole image.

A weak boundary that closes a contour matters more than a strong one inside a texture.
Generalized eigenvectors of the normalized cut are nearly constant within objects and
jump between them, so their differences are boundaries with global support.

References: Shi and Malik, Normalized Cuts and Image Segmentation, PAMI 2000; Arbelaez
et al., Contour Detection and Hierarchical Image Segmentation, PAMI 2011, section 3.2;
Pont-Tuset et al., Multiscale Combinatorial Grouping, PAMI 2017, for the eigenvectors at
reduced resolution.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, eigsh, splu
from threadpoolctl import threadpool_limits

from pa_lib.resampling import resize_bilinear, shrink_boundary

# The Laplacian is singular. Shifting it by this much keeps the factors regular and is
# below the smallest eigenvalues that hard walls can produce.
_SHIFT = 1e-6
_SMALLEST_EIGENVALUE = 1e-9
# Below this number of nodes a dense solver is faster than Lanczos iteration, which
# needs several times more nodes than vectors anyway.
_DENSE_NODES_PER_VECTOR = 8


def globalize(
    boundary: np.ndarray,
    blend: float,
    nvec: int = 16,
    gamma: float = 0.12,
    scale: float = 1.0,
) -> np.ndarray:
    """Blend a boundary map with its spectral counterpart.

    Args:
        boundary: (H, W) float array in [0, 1], local boundary strength.
        blend: Share of the spectral map in [0, 1].
        nvec: Number of eigenvectors, the constant one included.
        gamma: Boundary strength at which the similarity has fallen to 1 / e.
        scale: Resolution at which eigenvectors are computed, in (0, 1]; their map is
            resized to the full resolution. 1 is exact and slow.

    Returns:
        (H, W) float64 array in [0, 1].

    Example:
        >>> boundary = np.zeros((12, 12))
        >>> boundary[:, 5:7] = 0.5
        >>> blended = globalize(boundary, blend=0.5)
        >>> bool(blended[:, 5:7].min() > blended[:, :5].max())
        True
    """
    small = spectral_boundary(shrink_boundary(boundary, scale), nvec, gamma)
    spectral = resize_bilinear(small, boundary.shape)
    return (1.0 - blend) * boundary + blend * spectral


def spectral_boundary(
    boundary: np.ndarray, nvec: int = 16, gamma: float = 0.12
) -> np.ndarray:
    """Compute the boundary map of the eigenvectors of an image's pixel graph.

    The factorization of the pixel graph dominates: about O(N^1.5) time and O(N log N)
    memory for N pixels. Linear algebra runs on one thread, since the order of its sums
    would otherwise depend on the number of threads, and the result with it.

    Args:
        boundary: (H, W) float array in [0, 1].
        nvec: Number of eigenvectors, the constant one included.
        gamma: Boundary strength at which the similarity has fallen to 1 / e.

    Returns:
        (H, W) float64 array with maximum 1; all zeros where no eigenvector varies.
    """
    nvec = min(nvec, boundary.size)
    with threadpool_limits(limits=1, user_api='blas'):
        values, vectors = smallest_eigenpairs(pixel_affinity(boundary, gamma), nvec)
    maps = vectors.T.reshape(nvec, *boundary.shape)
    strength = eigenvector_boundary(maps[1:], values[1:])
    peak = strength.max()
    return strength / peak if peak > 0 else strength


def pixel_affinity(boundary: np.ndarray, gamma: float) -> scipy.sparse.csr_array:
    """Build the affinity of all pairs of 4-neighbours, with ones on the diagonal.

    Args:
        boundary: (H, W) float array in [0, 1].
        gamma: Boundary strength at which the affinity has fallen to 1 / e.

    Returns:
        (N, N) symmetric sparse array with 5 N - 2 H - 2 W entries.

    Example:
        >>> pixel_affinity(np.array([[0.0, 0.12]]), 0.12).toarray().round(3)
        array([[1.   , 0.368],
               [0.368, 1.   ]])
    """
    index = np.arange(boundary.size).reshape(boundary.shape)
    first = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    second = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    flat = boundary.ravel()
    weights = np.exp(-np.maximum(flat[first], flat[second]) / gamma)
    rows = np.concatenate([first, second, index.ravel()])
    cols = np.concatenate([second, first, index.ravel()])
    data = np.concatenate([weights, weights, np.ones(boundary.size)])
    return scipy.sparse.csr_array((data, (rows, cols)), shape=(len(flat), len(flat)))


def smallest_eigenpairs(
    affinity: scipy.sparse.csr_array, nvec: int
) -> tuple[np.ndarray, np.ndarray]:
    """Solve (D - W) v = lambda D v for the smallest eigenvalues.

    Args:
        affinity: (N, N) symmetric sparse array W with positive row sums D.
        nvec: Number of pairs, at most N.

    Returns:
        Tuple of the eigenvalues ((nvec,) float64, rising, at least 1e-9) and the
        eigenvectors ((N, nvec) float64).

    Example:
        >>> values, _ = smallest_eigenpairs(scipy.sparse.csr_array(np.ones((2, 2))), 2)
        >>> values.round(6).tolist()
        [0.0, 1.0]
    """
    n_nodes = affinity.shape[0]
    root_degree = np.sqrt(affinity.sum(axis=1))
    scaling = _diagonal(1.0 / root_degree)
    # Substituting u = sqrt(D) v makes the problem symmetric with unit right-hand side.
    laplacian = _diagonal(np.ones(n_nodes)) - scaling @ affinity @ scaling
    if n_nodes <= _DENSE_NODES_PER_VECTOR * nvec:
        values, vectors = scipy.linalg.eigh(
            laplacian.toarray(), subset_by_index=[0, nvec - 1]
        )
    else:
        values, vectors = _lanczos(laplacian, nvec)
    order = np.argsort(values, kind='stable')
    values = np.maximum(values[order], _SMALLEST_EIGENVALUE)
    return values, vectors[:, order] / root_degree[:, None]


def _diagonal(values: np.ndarray) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array(scipy.sparse.diags(values))


def _lanczos(
    laplacian: scipy.sparse.csr_array, nvec: int
) -> tuple[np.ndarray, np.ndarray]:
    """Shift-invert Lanczos iteration around a point just below zero."""
    n_nodes = laplacian.shape[0]
    shifted = (laplacian + _diagonal(np.full(n_nodes, _SHIFT))).tocsc()
    # Positive definite: no pivoting, and an ordering made for symmetric matrices.
    factors = splu(
        shifted,
        permc_spec='MMD_AT_PLUS_A',
        diag_pivot_thresh=0.0,
        options={'SymmetricMode': True},
    )
    inverse = LinearOperator(shifted.shape, matvec=factors.solve, dtype=np.float64)
    # Any fixed start that no eigenvector is orthogonal to; ones would be one of them.
    start = np.random.default_rng(0).standard_normal(n_nodes)
    return eigsh(laplacian, k=nvec, sigma=-_SHIFT, OPinv=inverse, v0=start)


def eigenvector_boundary(maps: np.ndarray, eigenvalues: np.ndarray) -> np.ndarray:
    """Sum the jumps of eigenvectors between neighbouring pixels.

    Each vector is scaled to [0, 1] and divided by the root of its eigenvalue; the jump
    at a pixel is the largest difference to a 4-neighbour. A vector without range adds
    nothing.

    Args:
        maps: (K, H, W) float array of eigenvectors.
        eigenvalues: (K,) float array, positive.

    Returns:
        (H, W) float64 array, the sum of jumps to the power 1 / sqrt(2).

    Example:
        >>> maps = np.array([[[0.0, 1.0], [2.0, 3.0]]])
        >>> eigenvector_boundary(maps, np.array([4.0])).round(6)
        array([[0.459859, 0.459859],
               [0.459859, 0.459859]])
    """
    total = np.zeros(maps.shape[1:])
    for vector, eigenvalue in zip(maps, eigenvalues, strict=True):
        extent = np.ptp(vector)
        if extent > 0:
            total += _largest_difference(vector) / (extent * np.sqrt(eigenvalue))
    return total ** (1.0 / np.sqrt(2.0))


def _largest_difference(image: np.ndarray) -> np.ndarray:
    """Return the largest absolute difference of each pixel to a 4-neighbour."""
    largest = np.zeros(image.shape)
    for view, out in ((image, largest), (image.T, largest.T)):
        difference = np.abs(np.diff(view, axis=0))
        out[1:] = np.maximum(out[1:], difference)
        out[:-1] = np.maximum(out[:-1], difference)
    return largest
