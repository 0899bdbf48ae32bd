"""Change of resolution of maps."""

from __future__ import annotations

import numpy as np


def shrink_boundary(boundary: np.ndarray, scale: float) -> np.ndarray:
    """Reduce the resolution of a boundary map to the maxima of blocks of pixels.

    Averages would open thin walls, which are what counts in a boundary map.

    Args:
        boundary: (H, W) float array.
        scale: Factor in (0, 1]; blocks differ by at most a pixel where it does not
            divide the size.

    Returns:
        (max(1, round(H scale)), max(1, round(W scale))) array of the same type.

    Example:
        >>> shrink_boundary(np.arange(8.0).reshape(2, 4), 0.5)
        array([[5., 7.]])
    """
    for axis, size in enumerate(boundary.shape):
        n_blocks = max(1, round(size * scale))
        starts = np.arange(n_blocks) * size // n_blocks
        boundary = np.maximum.reduceat(boundary, starts, axis=axis)
    return boundary


def resize_bilinear(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize an image by bilinear interpolation between pixel centres.

    Args:
        image: (h, w) float array.
        shape: Target (H, W).

    Returns:
        (H, W) float64 array; values beyond the outermost centres repeat.

    Example:
        >>> resize_bilinear(np.array([[0.0, 1.0]]), (1, 4))
        array([[0.  , 0.25, 0.75, 1.  ]])
    """
    for axis, target in enumerate(shape):
        size = image.shape[axis]
        centres = (np.arange(target) + 0.5) * (size / target) - 0.5
        centres = np.clip(centres, 0, size - 1)
        below = np.floor(centres).astype(np.intp)
        above = np.minimum(below + 1, size - 1)
        share = centres - below
        share = share[:, None] if axis == 0 else share
        lower, upper = image.take(below, axis=axis), image.take(above, axis=axis)
        image = lower * (1.0 - share) + upper * share
    return image


def resize_nearest(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize by taking the pixel under each target pixel's centre.

    Args:
        image: (H, W) array.
        size: Target height and width, px.

    Returns:
        (h, w) array of the same type; the image itself if it has that size.

    Example:
        >>> resize_nearest(np.array([[1, 2]]), (1, 4))
        array([[1, 1, 2, 2]])
    """
    if tuple(size) == image.shape:
        return image
    rows, cols = (
        (2 * np.arange(target) + 1) * source // (2 * target)
        for target, source in zip(size, image.shape, strict=True)
    )
    return image[rows[:, None], cols]
