"""Crops segmented by random walks from scribbles.

Source: Grady, Random Walks for Image Segmentation, PAMI 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmdet.registry import TASK_UTILS
from skimage.segmentation import random_walker

from .base import SMALL_CROP, CropMask, CropSegmenter, CropTask
from .crops import Crop, check_crop_options, cut_crop, is_small
from .scribbles import BACKGROUND, FOREGROUND, UNLABELLED, ring_scribbles

_WALKER = {UNLABELLED: 0, FOREGROUND: 1, BACKGROUND: 2}
"""What scikit-image calls the labels."""


@TASK_UTILS.register_module()
class RandomWalkerSegmenter(CropSegmenter):
    """Give each pixel to the scribble that a random walk from it meets first.

    Walks avoid edges, and so they get lost in noise: crops are blurred before. Nothing
    is learned; a crop takes hundredths of a second.

    Args:
        beta (float): How much walks avoid edges.
        blur (float): Standard deviation of the Gaussian window over shrunk crops, px;
            0 is none.
        max_side (int): Larger crops are shrunk to this longer side, px.
        enlarge (float): Crops are larger than boxes by this fraction.
        min_confidence (float): Of foreground scribbles, see
            :func:`.scribbles.ring_scribbles`.
        min_side (int): Boxes with a shorter side are left out, px.

    Raises:
        ValueError: If a value is out of its range.
    """

    name = 'random_walker'

    def __init__(
        self,
        beta: float = 1000.0,
        blur: float = 1.0,
        max_side: int = 64,
        enlarge: float = 0.1,
        min_confidence: float = 0.5,
        min_side: int = 12,
    ) -> None:
        if beta <= 0:
            raise ValueError(f'beta is positive, not {beta}')
        if blur < 0:
            raise ValueError(f'blur is not negative, not {blur}')
        check_crop_options(max_side, enlarge, min_confidence, min_side)
        self.beta = beta
        self.blur = blur
        self.max_side = max_side
        self.enlarge = enlarge
        self.min_confidence = min_confidence
        self.min_side = min_side

    @property
    def parameters(self) -> dict[str, Any]:
        """How walks go, and what they start from."""
        return {'name': self.name, **vars(self)}

    def segment(self, tasks: Sequence[CropTask]) -> list[CropMask]:
        """Segment crops one after the other."""
        return [self._segment_one(task) for task in tasks]

    def _segment_one(self, task: CropTask) -> CropMask:
        if is_small(task, self.min_side):
            return CropMask(None, SMALL_CROP)
        crop = cut_crop(task, self.enlarge, self.max_side)
        return CropMask(crop.paste(self._walk(task, crop), task.image.shape[:2]))

    def _walk(self, task: CropTask, crop: Crop) -> np.ndarray:
        """Probability (h, w) of the foreground."""
        scribbles = ring_scribbles(
            crop.active,
            crop.confidence,
            crop.inside,
            np.random.default_rng(task.seed(0)),
            self.min_confidence,
        )
        if not (scribbles == BACKGROUND).any():
            return np.ones(scribbles.shape, np.float32)
        table = np.zeros(256, np.int64)
        table[list(_WALKER)] = list(_WALKER.values())
        pixels = crop.pixels.astype(np.float64)
        if self.blur:
            pixels = cv2.GaussianBlur(pixels, (0, 0), self.blur)
        return random_walker(
            pixels,
            table[scribbles],
            beta=self.beta,
            mode='bf',
            return_full_prob=True,
            channel_axis=-1,
        )[0]
