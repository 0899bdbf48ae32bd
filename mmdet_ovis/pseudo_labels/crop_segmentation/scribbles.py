"""Pixels of a crop that are taken for object or background on the word of a map."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

BACKGROUND: Final = 0
FOREGROUND: Final = 8
UNLABELLED: Final = 255

_INSET = 5
"""How far inside the crop the outline of the original runs, px."""


def outline_scribbles(active: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scribble as the code of Mask-free OVIS does (VS et al., CVPR 2023).

    A rectangle one pixel wide, five pixels inside the crop, is background. As many
    activated pixels, drawn with replacement, are foreground, and so is a dot in the
    centre: of 5 pixels, or of 81 where nothing is activated.

    Args:
        active (np.ndarray): (h, w) bool.
        rng (np.random.Generator): Draws the pixels.

    Returns:
        np.ndarray: (h, w) uint8 of ``BACKGROUND``, ``FOREGROUND`` and ``UNLABELLED``.

    Examples:
        >>> scribbles = outline_scribbles(np.zeros((40, 40), bool), None)
        >>> [int((scribbles == label).sum()) for label in (BACKGROUND, FOREGROUND)]
        [120, 81]
    """
    height, width = active.shape
    scribbles = draw_outline(active.shape)
    places = np.flatnonzero(active)
    # Of the smallest label, whichever that is: all pixels where no outline fits.
    budget = int(np.unique(scribbles, return_counts=True)[1][0])
    number = min(budget, len(places) - 1)
    if number > 0:
        drawn = rng.integers(0, len(places) - 1, number)  # never the last one
        scribbles.ravel()[places[drawn]] = FOREGROUND
    radius = 1 if len(places) else 5
    cv2.circle(scribbles, (width // 2, height // 2), radius, FOREGROUND, -1)
    return scribbles


def draw_outline(size: tuple[int, int]) -> np.ndarray:
    """Label a rectangle five pixels inside a crop of a size (h, w).

    It has ``2 (h + w) - 40`` pixels where both sides have at least 11.

    Examples:
        >>> [int((draw_outline(size) == 0).sum()) for size in ((40, 40), (12, 12))]
        [120, 8]
    """
    scribbles = np.full(size, UNLABELLED, np.uint8)
    corner = (size[1] - _INSET, size[0] - _INSET)
    cv2.rectangle(scribbles, (_INSET, _INSET), corner, BACKGROUND, 1)
    return scribbles


def ring_scribbles(
    active: np.ndarray,
    confidence: np.ndarray,
    inside: np.ndarray,
    rng: np.random.Generator,
    min_confidence: float = 0.5,
) -> np.ndarray:
    """Scribble where the map is sure.

    Background is the ring around the box, as far as it is not activated; where there
    is no ring, the border of the crop. Foreground are activated pixels of the box with
    at least ``min_confidence`` of the highest confidence, without the rim of what they
    cover: as many as background pixels, drawn without replacement. Where nothing in the
    box is activated, a disc in its middle is foreground.

    Args:
        active (np.ndarray): (h, w) bool.
        confidence (np.ndarray): (h, w) float, at least 0.
        inside (np.ndarray): (h, w) bool, the box without the ring.
        rng (np.random.Generator): Draws the pixels.
        min_confidence (float): Fraction in [0, 1].

    Returns:
        np.ndarray: (h, w) uint8, see :func:`outline_scribbles`.
    """
    scribbles = np.full(active.shape, UNLABELLED, np.uint8)
    ring = ~inside & ~active
    if not ring.any():
        ring = ~active
        ring[1:-1, 1:-1] = False
    scribbles[ring] = BACKGROUND
    places = np.flatnonzero(_sure_pixels(active & inside, confidence, min_confidence))
    if not len(places):
        rows, columns = np.nonzero(inside)
        center = (int(columns.mean()), int(rows.mean()))
        radius = max(1, min(np.ptp(rows), np.ptp(columns)) // 8)
        cv2.circle(scribbles, center, int(radius), FOREGROUND, -1)
        return scribbles
    number = min(len(places), max(int(ring.sum()), 1))
    scribbles.ravel()[rng.choice(places, number, replace=False)] = FOREGROUND
    return scribbles


def _sure_pixels(
    active: np.ndarray, confidence: np.ndarray, min_confidence: float
) -> np.ndarray:
    """Narrow down where the object is, as long as something is left."""
    if not active.any():
        return active
    high = active & (confidence >= min_confidence * confidence[active].max())
    core = cv2.erode(high.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    return core if core.any() else high
