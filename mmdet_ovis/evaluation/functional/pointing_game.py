"""The pointing game: does an activation map peak on what it was asked for?

J. Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016.
"""

from __future__ import annotations

import cv2
import numpy as np


def points_at(activation: np.ndarray, target: np.ndarray, tolerance: int = 0) -> bool:
    """Tell whether the largest value of a map lies on a target.

    Args:
        activation (np.ndarray): (h, w) float; it is brought to the size of the target
            bilinearly. A constant one points nowhere.
        target (np.ndarray): (H, W) bool, all objects that count.
        tolerance (int): Pixels that the peak may be away; the paper allows 15 on
            photographs of about 500.

    Returns:
        bool: True for a hit. Of several equal peaks, the first in reading order counts.

    Raises:
        ValueError: If the tolerance is negative or an array is not of two dimensions.

    Examples:
        >>> target = np.zeros((4, 4), bool)
        >>> target[3, 3] = True
        >>> points_at(np.array([[0.0, 1.0], [2.0, 5.0]]), target)
        True
        >>> points_at(np.array([[0.0, 1.0], [9.0, 5.0]]), target)
        False
        >>> points_at(np.ones((2, 2)), target)
        False
    """
    if tolerance < 0:
        raise ValueError(f'tolerance is a number of pixels, not {tolerance}')
    if activation.ndim != 2 or target.ndim != 2:
        raise ValueError(
            f'map and target are of two dimensions, not {activation.ndim} and '
            f'{target.ndim}'
        )
    if activation.max() == activation.min():
        return False
    size = target.shape[::-1]
    large = cv2.resize(activation.astype(np.float32), size)
    row, column = np.unravel_index(int(large.argmax()), large.shape)
    rows, columns = np.nonzero(target)
    squares = (rows - row) ** 2 + (columns - column) ** 2
    return bool((squares <= tolerance**2).any())
