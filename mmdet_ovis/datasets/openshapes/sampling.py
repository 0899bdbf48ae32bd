"""Draw scenes at random.

A scene depends on the configuration, the split and the picture's index only, so any
picture can be made by any process in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from .catalog import (
    BACKGROUND_PHOTOS,
    CATALOG,
    CATEGORY_BY_NAME,
    COLORS,
    FAMILIES,
    FAMILY_WEIGHTS,
    TYPICAL_COLORS,
)
from .config import SPLITS, OpenShapesConfig
from .layout import Layout
from .scene import RGB, Background, Patch, Pose, Scene, Sprite, Stroke, Surface
from .shapes import sample_outline
from .textures import Texture

T = TypeVar('T')


def image_rng(
    config: OpenShapesConfig, split: str, index: int, stream: str
) -> np.random.Generator:
    """Return the generator of one picture.

    Args:
        config (OpenShapesConfig): Holds the seed of the dataset.
        split (str): ``'train'`` or ``'val'``.
        index (int): Picture index in the split, from 0.
        stream (str): ``'scene'`` or ``'captions'``: independent of each other, so that
            other captions do not mean other pictures.
    """
    streams = ('scene', 'captions')
    entropy = [config.seed, SPLITS.index(split), index, streams.index(stream)]
    return np.random.default_rng(entropy)


def sample_scene(config: OpenShapesConfig, split: str, index: int) -> Scene:
    """Draw the scene of one picture.

    Args:
        config (OpenShapesConfig): Parameters of the dataset.
        split (str): ``'train'`` or ``'val'``.
        index (int): Picture index in the split, from 0.

    Returns:
        Scene: At ``config.height_width``, each of its sprites shows at least
        ``min_visible_fraction`` of itself and ``min_visible_area`` pixels. Sprites for
        which no such place is found are left out.
    """
    rng = image_rng(config, split, index, 'scene')
    background = _sample_background(rng, split)
    return Scene(
        background=background,
        sprites=_sample_sprites(rng, config),
        light=rng.uniform(0.0, 2.0 * np.pi),
        noise=rng.uniform(1.5, 5.0),
        noise_seed=_sample_seed(rng),
    )


def _sample_sprites(
    rng: np.random.Generator, config: OpenShapesConfig
) -> tuple[Sprite, ...]:
    count = int(rng.integers(config.min_objects, config.max_objects + 1))
    layout = Layout(config)
    previous = None
    for _ in range(count):
        sprite = _sample_sprite(rng, config, previous)
        layout.place(sprite, rng)
        previous = sprite
    return tuple(layout.sprites)


def _sample_sprite(
    rng: np.random.Generator, config: OpenShapesConfig, previous: Sprite | None
) -> Sprite:
    """Draw an object; its place in the picture is still open."""
    if previous is not None and rng.random() < config.repeat_prob:
        color, family, category = previous.look
    else:
        category = _pick(rng, CATALOG).name
        color = _sample_color(rng, category, config.color_bias)
        family = _sample_family(rng, category, config.appearance_bias)
    lengths = np.log([config.min_scale, config.max_scale])
    return Sprite(
        category=category,
        color=color,
        outline=sample_outline(category, rng),
        surface=_sample_surface(rng, family, color),
        pose=Pose(
            x=0.5,
            y=0.5,
            radius=float(np.exp(rng.uniform(*lengths))) / 2.0,
            angle=rng.uniform(0.0, 2.0 * np.pi),
            aspect=float(np.exp(rng.uniform(-0.25, 0.25))),
            shear=rng.uniform(-0.2, 0.2),
        ),
        relief=rng.uniform(0.0, 0.5),
        shading=rng.uniform(0.05, 0.3),
        shadow=rng.uniform(0.25, 0.6),
    )


def _sample_color(rng: np.random.Generator, category: str, bias: float) -> str:
    # Without bias nothing is drawn for it: the pictures are those of before.
    if bias and rng.random() < bias:
        return TYPICAL_COLORS[category]
    return _pick(rng, tuple(COLORS))


def _sample_family(rng: np.random.Generator, category: str, bias: float) -> str:
    if rng.random() >= bias:
        return _pick(rng, tuple(FAMILIES))
    own = CATEGORY_BY_NAME[category].families
    return own[int(rng.choice(len(own), p=FAMILY_WEIGHTS))]


def _sample_surface(rng: np.random.Generator, family: str, color: str) -> Surface:
    primary = _sample_rgb(rng, color)
    return Surface(
        texture=Texture(
            family=family,
            period=rng.uniform(0.25, 0.6),
            angle=rng.uniform(0.0, 2.0 * np.pi),
            offset=(rng.random(), rng.random()),
            seed=_sample_seed(rng),
        ),
        primary=primary,
        secondary=_sample_secondary(rng, color, primary),
        contrast=rng.uniform(*FAMILIES[family].contrast),
    )


def _sample_secondary(rng: np.random.Generator, color: str, primary: RGB) -> RGB:
    """A shade of the first colour, or another colour."""
    if rng.random() < 0.5:
        dark_is_far = sum(primary) > 3 * 120
        target = 0.0 if dark_is_far else 255.0
        return tuple(0.4 * value + 0.6 * target for value in primary)
    others = tuple(name for name in COLORS if name != color)
    return _sample_rgb(rng, _pick(rng, others))


def _sample_rgb(rng: np.random.Generator, color: str) -> RGB:
    jittered = np.array(COLORS[color]) + rng.uniform(-14.0, 14.0, 3)
    return tuple(np.clip(jittered, 0.0, 255.0).tolist())


def _sample_background(rng: np.random.Generator, split: str) -> Background:
    patches = [_sample_patch(rng) for _ in range(int(rng.integers(1, 5)))]
    strokes = [_sample_stroke(rng) for _ in range(int(rng.integers(2, 9)))]
    return Background(
        photo=_pick(rng, BACKGROUND_PHOTOS[split]),
        crop=(rng.random(), rng.random(), rng.uniform(0.35, 1.0)),
        flip=bool(rng.random() < 0.5),
        gain=tuple(rng.uniform(0.6, 1.2, 3).tolist()),
        bias=rng.uniform(-15.0, 30.0),
        blur=rng.uniform(0.0, 0.008),
        patches=tuple(patches),
        strokes=tuple(strokes),
    )


def _sample_patch(rng: np.random.Generator) -> Patch:
    family, color = _pick(rng, tuple(FAMILIES)), _pick(rng, tuple(COLORS))
    surface = _sample_surface(rng, family, color)
    # As fine as on objects, although patches are larger than most of them.
    texture = replace(surface.texture, period=0.5 * surface.texture.period)
    return Patch(
        surface=replace(surface, texture=texture),
        pose=Pose(
            x=rng.uniform(0.0, 1.0),
            y=rng.uniform(0.0, 1.0),
            radius=rng.uniform(0.15, 0.4),
            angle=rng.uniform(0.0, 2.0 * np.pi),
            aspect=float(np.exp(rng.uniform(-0.7, 0.7))),
        ),
        opacity=rng.uniform(0.4, 0.8),
    )


def _sample_stroke(rng: np.random.Generator) -> Stroke:
    start = rng.uniform(0.0, 1.0, 2)
    steps = rng.normal(0.0, 0.2, (2, 2))
    points = (start, start + steps[0], start + steps.sum(axis=0))
    return Stroke(
        points=tuple((float(x), float(y)) for x, y in points),
        thickness=rng.uniform(0.003, 0.01),
        color=_sample_rgb(rng, _pick(rng, tuple(COLORS))),
        opacity=rng.uniform(0.4, 0.9),
    )


def _sample_seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    return items[int(rng.integers(len(items)))]
