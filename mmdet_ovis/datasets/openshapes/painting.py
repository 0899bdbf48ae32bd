"""Paint: what surfaces look like and how one layer goes over another."""

from __future__ import annotations

import numpy as np

from .scene import Surface
from .textures import texture_field


def paint_surface(surface: Surface, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours of a surface.

    Args:
        surface (Surface): What to paint with.
        x (np.ndarray): Local x of the pixel centres, (h, w).
        y (np.ndarray): Local y of the pixel centres, (h, w).

    Returns:
        np.ndarray: float32 (h, w, 3), RGB in [0, 255].
    """
    weight = surface.contrast * texture_field(surface.texture, x, y)[..., None]
    primary = np.asarray(surface.primary, dtype=np.float32)
    secondary = np.asarray(surface.secondary, dtype=np.float32)
    return primary + weight * (secondary - primary)


def blend(target: np.ndarray, color: np.ndarray, alpha: np.ndarray) -> None:
    """Lay a colour over part of a picture, in place.

    Args:
        target (np.ndarray): float32 (h, w, 3), a view of the picture.
        color (np.ndarray): float32 (h, w, 3) or (3,).
        alpha (np.ndarray): float32 (h, w) in [0, 1].
    """
    target += alpha[..., None] * (color - target)
