"""Images that their captions describe, as far as colours go."""

from __future__ import annotations

import numpy as np
import torch
from mmdet.structures import DetDataSample

CAPTIONS = ('A square.', 'Two discs.')


def make_sample(caption: str, size: tuple[int, int] = (64, 64)) -> DetDataSample:
    """What a pipeline packs with an image of this height and width."""
    return DetDataSample(metainfo=dict(caption=caption, img_shape=size))


def draw_batch(
    size: int, random: np.random.Generator
) -> tuple[torch.Tensor, list[DetDataSample]]:
    """Red squares and blue discs, all of them squares of 24 pixels, anywhere."""
    images = torch.full((size, 3, 64, 64), -1.0)
    labels = random.integers(2, size=size)
    for image, label, (y, x) in zip(
        images, labels, random.integers(0, 40, (size, 2)), strict=True
    ):
        image[2 * label, y : y + 24, x : x + 24] = 2.0
    return images, [make_sample(CAPTIONS[label]) for label in labels]
