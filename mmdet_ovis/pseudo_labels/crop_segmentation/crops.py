"""What a segmenter sees of an image: pixels and activation of one crop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
from PIL import Image

from ...vlm.activation_maps import resize_map
from ...vlm.base import CLIP_MEAN, CLIP_STD
from .base import CropTask

MEAN: Final = np.array(CLIP_MEAN, np.float32)
STD: Final = np.array(CLIP_STD, np.float32)

MIN_SIDE: Final = 4
"""Fewer pixels are no picture that could be segmented."""

_STRETCHED = 256
"""Side to which the original stretches images before it cuts crops, px."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of an image, at the size at which it is segmented.

    Attributes:
        box (tuple[int, int, int, int]): x1, y1, x2, y2 of the crop in pixels of the
            image.
        pixels (np.ndarray): (h, w, 3) float32, RGB, normalised.
        active (np.ndarray): (h, w) bool.
        confidence (np.ndarray): (h, w) float32, at least 0.
        inside (np.ndarray): (h, w) bool, the box of the task within the crop.
    """

    box: tuple[int, int, int, int]
    pixels: np.ndarray
    active: np.ndarray
    confidence: np.ndarray
    inside: np.ndarray

    def paste(self, soft: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Bring a soft mask of the crop to the image.

        Args:
            soft (np.ndarray): (h, w) float32 in [0, 1].
            size (tuple[int, int]): Height and width of the image.

        Returns:
            np.ndarray: (H, W) bool, True above a half.
        """
        x1, y1, x2, y2 = self.box
        large = cv2.resize(
            np.ascontiguousarray(soft, np.float32),
            (x2 - x1, y2 - y1),
            interpolation=cv2.INTER_LINEAR,
        )
        mask = np.zeros(size, bool)
        mask[y1:y2, x1:x2] = large > 0.5
        return mask


def cut_crop(task: CropTask, enlarge: float, max_side: int) -> Crop:
    """Cut a crop from the original image.

    Args:
        task (CropTask): The object.
        enlarge (float): The crop is larger than the box by this fraction, and by two
            pixels on each side at least, as far as the image goes.
        max_side (int): Larger crops are shrunk to this longer side, px.

    Returns:
        Crop: Of the box and its surroundings.
    """
    size = task.image.shape[:2]
    box = enlarge_box(task.box, enlarge, size)
    x1, y1, x2, y2 = box
    factor = min(1.0, max_side / max(x2 - x1, y2 - y1))
    width = max(round((x2 - x1) * factor), 1)
    height = max(round((y2 - y1) * factor), 1)

    def shrink(values: np.ndarray) -> np.ndarray:
        part = np.ascontiguousarray(values[y1:y2, x1:x2])
        return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)

    # Where the centre of a small pixel is, so that no side of the box gets lost.
    columns = x1 + (np.arange(width) + 0.5) * (x2 - x1) / width
    rows = y1 + (np.arange(height) + 0.5) * (y2 - y1) / height
    inside_x = (columns > task.box[0]) & (columns < task.box[2])
    inside_y = (rows > task.box[1]) & (rows < task.box[3])
    return Crop(
        box,
        normalize_pixels(shrink(task.image)),
        shrink(grow_map(task.prompt, size)) >= 0.5,
        shrink(grow_map(task.box_map, size)),
        inside_y[:, None] & inside_x,
    )


def cut_stretched_crop(task: CropTask) -> Crop:
    """Cut a crop as the code of Mask-free OVIS does (VS et al., CVPR 2023).

    The image is first stretched to a square of 256 pixels, and that back to the size of
    the image; the crop is exactly the box.
    """
    size = task.image.shape[:2]
    x1, y1, x2, y2 = task.box
    square = Image.fromarray(np.ascontiguousarray(task.image[..., ::-1])).resize(
        (_STRETCHED, _STRETCHED), Image.Resampling.BICUBIC
    )
    pixels = (np.asarray(square, np.float32) / 255 - MEAN) / STD
    channels = [grow_map(channel, size) for channel in pixels.transpose(2, 0, 1)]
    return Crop(
        task.box,
        np.stack(channels, axis=2)[y1:y2, x1:x2],
        grow_map(task.prompt, size)[y1:y2, x1:x2] > 0,
        grow_map(task.box_map, size)[y1:y2, x1:x2],
        np.ones((y2 - y1, x2 - x1), bool),
    )


def is_small(task: CropTask, min_side: int) -> bool:
    """Tell whether a side of the box is shorter than ``min_side`` pixels."""
    x1, y1, x2, y2 = task.box
    return min(x2 - x1, y2 - y1) < min_side


def check_crop_options(
    max_side: int, enlarge: float, min_confidence: float, min_side: int
) -> None:
    """Check what segmenters of enlarged crops have in common.

    Raises:
        ValueError: If a value is out of its range; the message names it.
    """
    if max_side < 16:
        raise ValueError(f'max_side is at least 16 pixels, not {max_side}')
    if not 0 <= enlarge <= 1:
        raise ValueError(f'enlarge is a fraction in [0, 1], not {enlarge}')
    if not 0 <= min_confidence <= 1:
        raise ValueError(f'min_confidence is in [0, 1], not {min_confidence}')
    if min_side < MIN_SIDE:
        raise ValueError(f'min_side is at least {MIN_SIDE} pixels, not {min_side}')


def enlarge_box(
    box: tuple[int, int, int, int], enlarge: float, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Enlarge a box within an image.

    Examples:
        >>> enlarge_box((10, 10, 50, 50), 0.1, (55, 100))
        (8, 8, 52, 52)
        >>> enlarge_box((0, 10, 100, 50), 0.1, (55, 100))
        (0, 8, 100, 52)
    """
    height, width = size
    x1, y1, x2, y2 = box
    margin_x = max(round((x2 - x1) * enlarge / 2), 2)
    margin_y = max(round((y2 - y1) * enlarge / 2), 2)
    return (
        max(x1 - margin_x, 0),
        max(y1 - margin_y, 0),
        min(x2 + margin_x, width),
        min(y2 + margin_y, height),
    )


def grow_map(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring a map (h, w) to the size of the image, bilinearly: (H, W) float32."""
    values = torch.from_numpy(np.ascontiguousarray(values, np.float32))
    return resize_map(values, size, 'bilinear').numpy()


def normalize_pixels(image: np.ndarray) -> np.ndarray:
    """Normalise an image (h, w, 3) uint8 BGR: (h, w, 3) float32 RGB."""
    return (image[..., ::-1].astype(np.float32) / 255 - MEAN) / STD
