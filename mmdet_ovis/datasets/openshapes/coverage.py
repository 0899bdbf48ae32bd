"""Which pixels an outline covers, and where a pixel is on a surface."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .scene import Pose, Sprite

_SUPERSAMPLING = 4
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, eq=False)
class Coverage:
    """The part of each pixel that an outline covers, inside its window.

    Attributes:
        rows (slice): Rows of the window.
        columns (slice): Columns of the window.
        alpha (np.ndarray): float32 (rows, columns) in [0, 1].
    """

    rows: slice
    columns: slice
    alpha: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """Pixels covered by more than half, bool (rows, columns)."""
        return self.alpha > 0.5


def sprite_coverage(sprite: Sprite, height: int, width: int) -> Coverage | None:
    """Rasterise a sprite's outline with soft edges.

    Args:
        sprite (Sprite): The object; only its outline and pose matter.
        height (int): Picture height in pixels.
        width (int): Picture width in pixels.

    Returns:
        Coverage | None: None if no part of it lies in the picture.
    """
    matrix = sprite.pose.matrix(height, width)
    contours = [c @ matrix[:, :2].T + matrix[:, 2] for c in sprite.outline]
    points = np.concatenate(contours)
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int), (width, height))
    if left >= right or top >= bottom:
        return None
    # Pixel centres of the fine raster are integers for OpenCV, hence the half.
    scale = _SUPERSAMPLING
    fine = [(c - (left, top)) * scale - 0.5 for c in contours]
    fixed = [np.rint(c * 2**_SUBPIXEL_BITS).astype(np.int32) for c in fine]
    raster = np.zeros(((bottom - top) * scale, (right - left) * scale), np.uint8)
    cv2.fillPoly(raster, fixed, 255, shift=_SUBPIXEL_BITS)
    size = (int(right - left), int(bottom - top))
    alpha = cv2.resize(raster, size, interpolation=cv2.INTER_AREA)
    return Coverage(
        slice(int(top), int(bottom)),
        slice(int(left), int(right)),
        alpha.astype(np.float32) / 255.0,
    )


def local_coordinates(
    pose: Pose, rows: slice, columns: slice, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Local coordinates of the pixel centres of a window.

    Args:
        pose (Pose): Maps local coordinates to the picture.
        rows (slice): Rows of the window.
        columns (slice): Columns of the window.
        height (int): Picture height in pixels.
        width (int): Picture width in pixels.

    Returns:
        tuple[np.ndarray, np.ndarray]: x and y, float64 (rows, columns).
    """
    matrix = pose.matrix(height, width)
    x = np.arange(columns.start, columns.stop) + 0.5 - matrix[0, 2]
    y = np.arange(rows.start, rows.stop) + 0.5 - matrix[1, 2]
    inverse = np.linalg.inv(matrix[:, :2])
    return (
        inverse[0, 0] * x[None, :] + inverse[0, 1] * y[:, None],
        inverse[1, 0] * x[None, :] + inverse[1, 1] * y[:, None],
    )
