"""Find places for objects at which all of them can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .config import OpenShapesConfig
from .coverage import sprite_coverage
from .scene import Sprite

_PLACEMENTS = 40
_SHRINK = 0.97
_NOBODY = -1


class Layout:
    """Sprites that have a place, lowest first, and the pixels that each one owns.

    Args:
        config (OpenShapesConfig): Holds picture size and limits of visibility.

    Attributes:
        sprites (list[Sprite]): What was placed.
    """

    def __init__(self, config: OpenShapesConfig):
        self.config = config
        self.sprites: list[Sprite] = []
        self._needed: list[float] = []
        self._owners = np.full(config.height_width, _NOBODY, dtype=np.int16)

    def place(self, sprite: Sprite, rng: np.random.Generator) -> bool:
        """Put a sprite on top, at a random place that leaves all visible enough.

        Crowded pictures get smaller objects: each try shrinks the sprite a little.

        Args:
            sprite (Sprite): The object; the position of its pose is replaced.
            rng (np.random.Generator): Chooses the places to try.

        Returns:
            bool: False if no place was found, and nothing has changed.
        """
        smallest = self._smallest_radius(sprite)
        radius = max(sprite.pose.radius, smallest)
        for _ in range(_PLACEMENTS):
            x, y = rng.uniform(0.02, 0.98, 2).tolist()
            pose = replace(sprite.pose, x=x, y=y, radius=radius)
            if self._add(replace(sprite, pose=pose)):
                return True
            radius = max(_SHRINK * radius, smallest)
        return False

    def _add(self, sprite: Sprite) -> bool:
        coverage = sprite_coverage(sprite, *self._owners.shape)
        if coverage is None:
            return False
        owners = self._owners.copy()
        owners[coverage.rows, coverage.columns][coverage.mask] = len(self.sprites)
        visible = np.bincount(owners.ravel() + 1, minlength=len(self.sprites) + 2)[1:]
        needed = [*self._needed, self._needed_area(sprite)]
        if (visible < needed).any():
            return False
        self.sprites.append(sprite)
        self._needed, self._owners = needed, owners
        return True

    def _needed_area(self, sprite: Sprite) -> float:
        """Fewest visible pixels, of the whole sprite with what the border cuts off."""
        linear = sprite.pose.matrix(*self._owners.shape)[:, :2]
        area = abs(np.linalg.det(linear)) * outline_area(sprite.outline)
        fraction = self.config.min_visible_fraction * area
        return max(fraction, self.config.min_visible_area)

    def _smallest_radius(self, sprite: Sprite) -> float:
        """Radius at which half of the sprite is enough to be seen."""
        area = 2.0 * self.config.min_visible_area / outline_area(sprite.outline)
        return max(self.config.min_scale / 2.0, area**0.5 / min(self._owners.shape))


def outline_area(outline: Sequence[np.ndarray]) -> float:
    """Area inside an outline, by the shoelace formula.

    Args:
        outline (Sequence[np.ndarray]): Contours, each (n, 2); those after the first
            are holes.

    Returns:
        float: In squared units of the coordinates.

    Examples:
        >>> square = np.array([(0, 0), (2, 0), (2, 2), (0, 2)])
        >>> float(outline_area([square, square / 2]))
        3.0
    """
    areas = []
    for contour in outline:
        x, y = contour.T
        areas.append(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
    return areas[0] - sum(areas[1:])
