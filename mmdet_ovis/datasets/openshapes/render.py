"""From a scene to pixels: a pure function.

Sprites are painted in order over the background. A pixel belongs to the topmost
sprite that covers more than half of it; these owners are the annotation.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .background import paint_background
from .coverage import Coverage, local_coordinates, sprite_coverage
from .painting import blend, paint_surface
from .scene import Scene, Sprite

BACKGROUND = -1
"""Owner of the pixels that no sprite owns."""


@dataclass(frozen=True, eq=False)
class Rendering:
    """A picture and what it shows.

    Attributes:
        image (np.ndarray): uint8 (H, W, 3), RGB.
        owners (np.ndarray): int16 (H, W), index of the visible sprite or
            :data:`BACKGROUND`.
    """

    image: np.ndarray
    owners: np.ndarray


def render_scene(scene: Scene, height: int, width: int) -> Rendering:
    """Paint a scene.

    Args:
        scene (Scene): What to paint.
        height (int): Picture height in pixels.
        width (int): Picture width in pixels.

    Returns:
        Rendering: The picture and the owner of each pixel.
    """
    canvas = paint_background(scene.background, height, width)
    owners = np.full((height, width), BACKGROUND, dtype=np.int16)
    for index, sprite in enumerate(scene.sprites):
        coverage = sprite_coverage(sprite, height, width)
        if coverage is None:
            continue
        _drop_shadow(canvas, sprite, coverage, scene.light)
        _paint_sprite(canvas, sprite, coverage, scene.light)
        owners[coverage.rows, coverage.columns][coverage.mask] = index
    rng = np.random.default_rng(scene.noise_seed)
    canvas += scene.noise * rng.standard_normal(canvas.shape, dtype=np.float32)
    image = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    return Rendering(image, owners)


def _paint_sprite(
    canvas: np.ndarray, sprite: Sprite, coverage: Coverage, light: float
) -> None:
    height, width = canvas.shape[:2]
    rows, columns, alpha = coverage.rows, coverage.columns, coverage.alpha
    x, y = local_coordinates(sprite.pose, rows, columns, height, width)
    color = paint_surface(sprite.surface, x, y)
    radius = sprite.pose.radius * min(height, width)
    # The light's direction is the picture's, not the sprite's.
    along_x = np.arange(columns.start, columns.stop) + 0.5 - sprite.pose.x * width
    along_y = np.arange(rows.start, rows.stop) + 0.5 - sprite.pose.y * height
    lit = (np.cos(light) * along_x[None] + np.sin(light) * along_y[:, None]) / radius
    inside = cv2.GaussianBlur(
        alpha, (0, 0), 0.12 * radius + 0.5, borderType=cv2.BORDER_REPLICATE
    )
    brightness = 1.0 + sprite.shading * lit - sprite.relief * (1.0 - inside)
    color *= brightness.astype(np.float32)[..., None]
    blend(canvas[rows, columns], np.clip(color, 0.0, 255.0), alpha)


def _drop_shadow(
    canvas: np.ndarray, sprite: Sprite, coverage: Coverage, light: float
) -> None:
    """Darken what lies on the far side of the light."""
    height, width = canvas.shape[:2]
    radius = sprite.pose.radius * min(height, width)
    distance, softness = 0.12 * radius + 1.0, 0.08 * radius + 0.8
    shift_x, shift_y = -distance * np.cos(light), -distance * np.sin(light)
    margin = int(np.ceil(distance + 3.0 * softness))
    rows = slice(
        max(coverage.rows.start - margin, 0), min(coverage.rows.stop + margin, height)
    )
    columns = slice(
        max(coverage.columns.start - margin, 0),
        min(coverage.columns.stop + margin, width),
    )
    move = np.array(
        [
            [1.0, 0.0, coverage.columns.start - columns.start + shift_x],
            [0.0, 1.0, coverage.rows.start - rows.start + shift_y],
        ]
    )
    size = (columns.stop - columns.start, rows.stop - rows.start)
    shadow = cv2.warpAffine(coverage.alpha, move, size, flags=cv2.INTER_LINEAR)
    shadow = cv2.GaussianBlur(shadow, (0, 0), softness)
    canvas[rows, columns] *= 1.0 - sprite.shadow * shadow[..., None]
