"""What an OpenShapes picture shows, before any pixel exists.

A :class:`Scene` is a value: rendering it twice gives the same bytes, at any size. A
clip is a sequence of scenes that differ in the poses of their sprites only
(:meth:`Scene.posed`).

Lengths are fractions of the picture: positions of its width and height, radii of its
shorter side. Angles are radians, colours RGB in [0, 255].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .shapes import Outline
from .textures import Texture

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """Where a sprite is and how it lies; what changes from frame to frame.

    Attributes:
        x (float): Centre, fraction of the width.
        y (float): Centre, fraction of the height.
        radius (float): Half the longer side, fraction of the shorter picture side.
        angle (float): Rotation.
        aspect (float): Stretch of the local x axis against the y axis.
        shear (float): Shear of the local x axis.
    """

    x: float
    y: float
    radius: float
    angle: float = 0.0
    aspect: float = 1.0
    shear: float = 0.0

    def matrix(self, height: int, width: int) -> np.ndarray:
        """Affine map from local coordinates to pixels.

        Args:
            height (int): Picture height in pixels.
            width (int): Picture width in pixels.

        Returns:
            np.ndarray: float64 (2, 3); column 2 is the centre. Pixel (row 0, column 0)
            covers [0, 1] x [0, 1].
        """
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        stretch = np.sqrt(self.aspect)
        rotation = np.array([[cos, -sin], [sin, cos]])
        shape = np.array([[stretch, self.shear / stretch], [0.0, 1.0 / stretch]])
        linear = self.radius * min(height, width) * rotation @ shape
        return np.column_stack([linear, [self.x * width, self.y * height]])


@dataclass(frozen=True)
class Surface:
    """How something is painted.

    Attributes:
        texture (Texture): Weight of the second colour.
        primary (RGB): First colour.
        secondary (RGB): Second colour.
        contrast (float): Largest weight of the second colour, in [0, 1].
    """

    texture: Texture
    primary: RGB
    secondary: RGB
    contrast: float


@dataclass(frozen=True, eq=False)
class Sprite:
    """One object.

    Attributes:
        category (str): A name of :data:`.catalog.CATEGORIES`.
        color (str): A name of :data:`.catalog.COLORS`.
        outline (Outline): Contours in local coordinates.
        surface (Surface): What it is painted with, in local coordinates.
        pose (Pose): Where it is.
        relief (float): Darkening towards the rim, in [0, 1].
        shading (float): Strength of the light's gradient, in [0, 1].
        shadow (float): Darkness of the shadow it drops, in [0, 1].
    """

    category: str
    color: str
    outline: Outline
    surface: Surface
    pose: Pose
    relief: float
    shading: float
    shadow: float

    @property
    def pattern(self) -> str:
        """Name of the surface family."""
        return self.surface.texture.family

    @property
    def look(self) -> tuple[str, str, str]:
        """Colour, pattern and category: what a caption can say of it."""
        return self.color, self.pattern, self.category


@dataclass(frozen=True)
class Patch:
    """Texture without an edge, blended into the background.

    Attributes:
        surface (Surface): What it is painted with, in local coordinates.
        pose (Pose): Centre and extent; opacity falls off as a Gaussian of this extent.
        opacity (float): Opacity at the centre, in [0, 1].
    """

    surface: Surface
    pose: Pose
    opacity: float


@dataclass(frozen=True)
class Stroke:
    """A thin curve in the background: a quadratic Bézier.

    Attributes:
        points (tuple): Three (x, y) control points, fractions of width and height.
        thickness (float): Fraction of the shorter picture side.
        color (RGB): Its colour.
        opacity (float): In [0, 1].
    """

    points: tuple[tuple[float, float], ...]
    thickness: float
    color: RGB
    opacity: float


@dataclass(frozen=True)
class Background:
    """Everything behind the objects.

    Attributes:
        photo (str): File name of the photograph.
        crop (tuple[float, float, float]): Left, top and side of the cut, fractions of
            what the photograph leaves free and of its shorter side.
        flip (bool): Whether it is mirrored left to right.
        gain (RGB): Factor a channel.
        bias (float): Added brightness.
        blur (float): Standard deviation, fraction of the shorter picture side.
        patches (tuple[Patch, ...]): Distractor texture.
        strokes (tuple[Stroke, ...]): Clutter.
    """

    photo: str
    crop: tuple[float, float, float]
    flip: bool
    gain: RGB
    bias: float
    blur: float
    patches: tuple[Patch, ...] = ()
    strokes: tuple[Stroke, ...] = ()


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture's description.

    Attributes:
        background (Background): What is behind.
        sprites (tuple[Sprite, ...]): Objects, lowest first.
        light (float): Direction the light comes from.
        noise (float): Standard deviation of the camera's noise, in grey levels.
        noise_seed (int): Source of that noise.
    """

    background: Background
    sprites: tuple[Sprite, ...]
    light: float
    noise: float
    noise_seed: int

    def posed(self, poses: Sequence[Pose]) -> Scene:
        """Return the same scene with its sprites moved.

        Args:
            poses (Sequence[Pose]): One a sprite, in order.

        Raises:
            ValueError: If there are not as many poses as sprites.
        """
        if len(poses) != len(self.sprites):
            raise ValueError(f'{len(poses)} poses for {len(self.sprites)} sprites')
        pairs = zip(self.sprites, poses, strict=True)
        return replace(self, sprites=tuple(replace(s, pose=p) for s, p in pairs))
