"""How well the regions of a segmentation cover those of people.

Reference: Arbelaez et al., Contour Detection and Hierarchical Image Segmentation, PAMI
2011, section 3.1.2: every region of the truth counts by its area with the best IoU that
a region of the segmentation has with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def segmentation_covering(
    leaves: NDArray[np.integer],
    truth: NDArray[np.integer],
    region_of_leaf: Sequence[NDArray[np.integer]],
) -> NDArray[np.float64]:
    """Measure the covering of one segmentation by unions of leaves.

    Pixels are counted once, then only leaves are joined. Complexity: O(N + T L K) for N
    pixels, T partitions, L leaves and K regions of the truth.

    Args:
        leaves (NDArray[np.integer]): Shape (H, W), leaf of each pixel, from 0.
        truth (NDArray[np.integer]): Shape (H, W), true region of each pixel, from 0.
        region_of_leaf (Sequence[NDArray[np.integer]]): T arrays of shape (L,): the
            region of each leaf in each partition, from 0.

    Returns:
        NDArray[np.float64]: Shape (T,), in [0, 1].

    Examples:
        >>> leaves = np.array([[0, 0, 1, 1]])
        >>> truth = np.array([[0, 0, 0, 1]])
        >>> segmentation_covering(leaves, truth, [[0, 1], [0, 0]])
        array([0.625, 0.625])
    """
    num_leaves, num_truth = int(leaves.max()) + 1, int(truth.max()) + 1
    pairs = leaves.astype(np.int64).ravel() * num_truth + truth.ravel()
    shared = np.bincount(pairs, minlength=num_leaves * num_truth)
    shared = shared.reshape(num_leaves, num_truth)
    sizes = shared.sum(axis=0)
    covering = []
    for regions in region_of_leaf:
        joined = np.zeros((int(np.max(regions)) + 1, num_truth))
        np.add.at(joined, np.asarray(regions), shared)
        union = joined.sum(axis=1, keepdims=True) + sizes - joined
        best = (joined / np.maximum(union, 1)).max(axis=0)
        covering.append((sizes * best).sum() / sizes.sum())
    return np.array(covering)


def covering_scores(
    coverings: Sequence[NDArray[np.float64]],
) -> dict[str, float]:
    """Summarise the coverings of a dataset.

    Args:
        coverings (Sequence[NDArray[np.float64]]): One array an image, shape (T,): the
            mean over its true segmentations at each threshold.

    Returns:
        dict[str, float]: ``covering_ODS``, at the threshold that is best for all
        images together, and ``covering_OIS``, at the best of each image; -1.0 if there
        is no image.

    Examples:
        >>> covering_scores([np.array([0.5, 1.0]), np.array([0.75, 0.0])])
        {'covering_ODS': 0.625, 'covering_OIS': 0.875}
    """
    if not len(coverings):
        return {'covering_ODS': -1.0, 'covering_OIS': -1.0}
    by_image = np.stack(coverings)
    return {
        'covering_ODS': float(by_image.mean(axis=0).max()),
        'covering_OIS': float(by_image.max(axis=1).mean()),
    }
