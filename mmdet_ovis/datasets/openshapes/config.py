"""Parameters of an OpenShapes dataset."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

GENERATOR_VERSION = 1
"""Raised whenever the same configuration gives other pictures or annotations."""

SPLITS = ('train', 'val')


@dataclass(frozen=True)
class OpenShapesConfig:
    """What to generate; equal configurations give equal bytes.

    Attributes:
        seed (int): Seed of the whole dataset, not negative.
        image_size (int | tuple[int, int]): Side, or height and width, in pixels;
            64 to 2048.
        num_train (int): Training pictures.
        num_val (int): Validation pictures; their background photographs are not used
            for training.
        min_objects (int): Fewest objects a picture, at least 1.
        max_objects (int): Most objects a picture.
        min_scale (float): Length of the smallest objects, fraction of the shorter
            picture side.
        max_scale (float): Length of the largest objects; sizes are log-uniform.
        min_visible_fraction (float): Objects of which less can be seen are placed
            elsewhere.
        min_visible_area (int): The same in pixels.
        appearance_bias (float): Probability that an object wears one of its
            category's own surface families rather than any family.
        color_bias (float): Probability that an object wears the typical colour of its
            category rather than any colour.
        repeat_prob (float): Probability that an object looks like the one before.
        jpeg_quality (int): 1 to 100.

    Raises:
        ValueError: If a value is out of range; the message names it.

    Examples:
        >>> OpenShapesConfig(image_size=128).height_width
        (128, 128)
        >>> OpenShapesConfig(min_objects=0)
        Traceback (most recent call last):
            ...
        ValueError: OpenShapesConfig: need 1 <= min_objects <= max_objects, got 0 and 8
    """

    seed: int = 0
    image_size: int | tuple[int, int] = 256
    num_train: int = 800
    num_val: int = 200
    min_objects: int = 4
    max_objects: int = 8
    min_scale: float = 0.16
    max_scale: float = 0.5
    min_visible_fraction: float = 0.3
    min_visible_area: int = 60
    appearance_bias: float = 1.0
    repeat_prob: float = 0.15
    jpeg_quality: int = 95
    color_bias: float = 0.0

    def __post_init__(self):
        if not isinstance(self.image_size, int):
            object.__setattr__(self, 'image_size', tuple(self.image_size))
        probabilities = (
            'min_visible_fraction',
            'appearance_bias',
            'color_bias',
            'repeat_prob',
        )
        _require(
            self.seed >= 0 and self.num_train >= 0 and self.num_val >= 0,
            'seed, num_train and num_val must not be negative, got '
            f'{self.seed}, {self.num_train} and {self.num_val}',
        )
        _require(
            len(self.height_width) == 2
            and all(64 <= side <= 2048 for side in self.height_width),
            f'image_size must be one or two of 64 to 2048, got {self.image_size}',
        )
        _require(
            1 <= self.min_objects <= self.max_objects,
            'need 1 <= min_objects <= max_objects, got '
            f'{self.min_objects} and {self.max_objects}',
        )
        _require(
            0.0 < self.min_scale <= self.max_scale <= 1.0,
            'need 0 < min_scale <= max_scale <= 1, got '
            f'{self.min_scale} and {self.max_scale}',
        )
        for name in probabilities:
            value = getattr(self, name)
            _require(0.0 <= value <= 1.0, f'{name} must be in [0, 1], got {value}')
        _require(
            1 <= self.jpeg_quality <= 100,
            f'jpeg_quality must be 1 to 100, got {self.jpeg_quality}',
        )

    @property
    def height_width(self) -> tuple[int, int]:
        """Picture height and width in pixels."""
        if isinstance(self.image_size, int):
            return self.image_size, self.image_size
        return self.image_size

    def num_images(self, split: str) -> int:
        """Pictures of a split, ``'train'`` or ``'val'``."""
        return {'train': self.num_train, 'val': self.num_val}[split]

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON values, the size as height and width.

        ``color_bias`` is younger than the others: without it, datasets are what they
        were before, and so is their description.
        """
        content = {**asdict(self), 'image_size': list(self.height_width)}
        if not self.color_bias:
            del content['color_bias']
        return content

    def signature(self) -> str:
        """Digest of the parameters and of the generator's version."""
        content = json.dumps([GENERATOR_VERSION, self.to_dict()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(f'OpenShapesConfig: {message}')
