"""Crops with known masks, for the tests of crop segmentation."""

from __future__ import annotations

import numpy as np

from mmdet_ovis.pseudo_labels.crop_segmentation import CropTask

RED, BLUE = (40, 30, 210), (200, 60, 40)  # BGR
SIDE = 72


def disc(radius: float, side: int = SIDE, center=None) -> np.ndarray:
    """A disc (side, side) bool."""
    x, y = center or (side / 2, side / 2)
    rows, columns = np.mgrid[:side, :side] + 0.5
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def disc_task(
    key: tuple = (1, 'disc', 0), radius: float = 18, box_side: int = 48, **changes
) -> tuple[CropTask, np.ndarray]:
    """A red disc on blue with a little noise, and its mask.

    The inner half of the disc is activated; the box has ``box_side`` pixels.
    """
    rng = np.random.default_rng(0)
    mask = disc(radius)
    image = np.where(mask[..., None], RED, BLUE) + rng.integers(-8, 9, (SIDE, SIDE, 3))
    start = (SIDE - box_side) // 2
    prompt = disc(radius / 2)
    fields = {
        'image': np.clip(image, 0, 255).astype(np.uint8),
        'box': (start, start, start + box_side, start + box_side),
        'prompt': prompt,
        'box_map': prompt.astype(np.float32),
        'key': key,
        **changes,
    }
    return CropTask(**fields), mask


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())
