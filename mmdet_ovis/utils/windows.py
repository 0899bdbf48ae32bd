"""Windows that slide along a side of an image."""

from __future__ import annotations

import math


def count_windows(length: float, window: float, step: float) -> int:
    """Count windows that cover a length when they stand evenly from end to end.

    Args:
        length (float): What is to be covered.
        window (float): Length of a window, above 0; one that is longer stands alone.
        step (float): Largest distance from one window to the next, above 0, and at most
            ``window`` if there are to be no gaps.

    Returns:
        int: At least 1.

    Examples:
        >>> [count_windows(length, 8, 4) for length in (6, 8, 10, 12, 16)]
        [1, 1, 2, 2, 3]
    """
    return 1 + math.ceil(max(length - window, 0) / step)
