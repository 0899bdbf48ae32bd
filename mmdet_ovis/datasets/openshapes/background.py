"""What is behind the objects: a photograph, soft texture and thin strokes."""

from __future__ import annotations

import cv2
import numpy as np

from .coverage import local_coordinates
from .painting import blend, paint_surface
from .photos import load_photo
from .scene import Background, Patch, Stroke

_SUBPIXEL_BITS = 4


def paint_background(background: Background, height: int, width: int) -> np.ndarray:
    """Paint everything behind the objects.

    Args:
        background (Background): What to paint.
        height (int): Picture height in pixels.
        width (int): Picture width in pixels.

    Returns:
        np.ndarray: float32 (height, width, 3), RGB in [0, 255].
    """
    canvas = _cut_photo(background, height, width)
    sigma = background.blur * min(height, width)
    if sigma > 0.2:
        canvas = cv2.GaussianBlur(canvas, (0, 0), sigma)
    for patch in background.patches:
        _paint_patch(canvas, patch)
    for stroke in background.strokes:
        _paint_stroke(canvas, stroke)
    return canvas


def _cut_photo(background: Background, height: int, width: int) -> np.ndarray:
    photo = load_photo(background.photo)
    free_height, free_width = photo.shape[:2]
    left, top, side = background.crop
    # The largest window of the picture's shape, shrunk to the wanted side.
    zoom = side * min(free_height / height, free_width / width)
    rows, columns = max(int(zoom * height), 1), max(int(zoom * width), 1)
    first_row = int(top * (free_height - rows))
    first_column = int(left * (free_width - columns))
    window = photo[first_row : first_row + rows, first_column : first_column + columns]
    if background.flip:
        window = window[:, ::-1]
    shrinks = rows >= height
    canvas = cv2.resize(
        np.ascontiguousarray(window),
        (width, height),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
    ).astype(np.float32)
    gain = np.asarray(background.gain, dtype=np.float32)
    return np.clip(canvas * gain + np.float32(background.bias), 0.0, 255.0)


def _paint_patch(canvas: np.ndarray, patch: Patch) -> None:
    height, width = canvas.shape[:2]
    everything = slice(0, height), slice(0, width)
    x, y = local_coordinates(patch.pose, *everything, height, width)
    alpha = patch.opacity * np.exp(-2.0 * (x**2 + y**2))
    color = paint_surface(patch.surface, x, y)
    blend(canvas, color, alpha.astype(np.float32))


def _paint_stroke(canvas: np.ndarray, stroke: Stroke) -> None:
    height, width = canvas.shape[:2]
    t = np.linspace(0.0, 1.0, 24)[:, None]
    start, middle, end = (np.array(point) for point in stroke.points)
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    pixels = np.rint(curve * (width, height) * 2**_SUBPIXEL_BITS).astype(np.int32)
    ink = np.zeros((height, width), np.uint8)
    thickness = max(1, round(stroke.thickness * min(height, width)))
    cv2.polylines(
        ink, [pixels], False, 255, thickness, cv2.LINE_AA, shift=_SUBPIXEL_BITS
    )
    color = np.asarray(stroke.color, dtype=np.float32)
    blend(canvas, color, ink.astype(np.float32) * (stroke.opacity / 255.0))
