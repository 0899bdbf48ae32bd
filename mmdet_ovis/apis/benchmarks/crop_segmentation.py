"""How long crops take to segment, and how well generated discs come out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import cv2
import numpy as np

from ...pseudo_labels.crop_segmentation import (
    ClusteringSegmenter,
    CropMask,
    CropSegmenter,
    CropTask,
)

IMAGE_SIDE = 256
_NOISE = 25


def make_discs(number: int, seed: int = 0) -> tuple[list[CropTask], np.ndarray]:
    """Draw discs, each on an image of its own, with boxes and activations.

    Disc and ground have random colours, a gradient and noise; the box is up to a tenth
    off the disc, and the activation covers a part of it, off its centre.

    Args:
        number (int): Discs, at least 1.
        seed (int): Of everything that is random.

    Returns:
        tuple[list[CropTask], np.ndarray]: The tasks, and the discs (number, H, W) bool.

    Raises:
        ValueError: If ``number`` is not positive.
    """
    if number < 1:
        raise ValueError(f'need at least one disc, not {number}')
    rng = np.random.default_rng(seed)
    tasks, masks = [], []
    for index in range(number):
        task, mask = _make_disc(index, rng)
        tasks.append(task)
        masks.append(mask)
    return tasks, np.stack(masks)


def _make_disc(index: int, rng: np.random.Generator) -> tuple[CropTask, np.ndarray]:
    radius = rng.uniform(24, 80)
    center = rng.uniform(radius * 1.1, IMAGE_SIDE - radius * 1.1, 2)
    mask = _disc(center, radius)
    ground = rng.uniform(40, 215, 3)
    color = ground + rng.choice([-1, 1], 3) * rng.uniform(25, 60, 3)
    slope = np.linspace(-20, 20, IMAGE_SIDE)[:, None, None]
    image = np.where(mask[..., None], color, ground) + slope
    image = image + rng.normal(0, _NOISE, image.shape)
    box = np.concatenate([center - radius, center + radius])
    box = np.rint(box + rng.uniform(-0.1, 0.1, 4) * radius)
    box = np.clip(box, 0, IMAGE_SIDE).astype(int)
    seen = _disc(center + rng.uniform(-0.3, 0.3, 2) * radius, 0.6 * radius)
    box_map = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), 0.2 * radius)
    task = CropTask(
        np.clip(image, 0, 255).astype(np.uint8),
        tuple(box.tolist()),
        seen,
        box_map,
        ('disc', index),
    )
    return task, mask


def _disc(center: np.ndarray, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:IMAGE_SIDE, :IMAGE_SIDE] + 0.5
    return (columns - center[0]) ** 2 + (rows - center[1]) ** 2 <= radius**2


def measure_ious(found: Sequence[CropMask], truth: np.ndarray) -> np.ndarray:
    """Overlap (n,) of masks with the truth (n, H, W); 0 where there is no mask."""
    ious = np.zeros(len(truth))
    for i, (one, mask) in enumerate(zip(found, truth, strict=True)):
        if one.mask is not None:
            ious[i] = (one.mask & mask).sum() / (one.mask | mask).sum()
    return ious


def benchmark_segmenter(
    segmenter: CropSegmenter,
    tasks: Sequence[CropTask],
    truth: np.ndarray,
    repeats: int = 3,
) -> dict[str, float]:
    """Time a segmenter on all tasks at once.

    Args:
        segmenter (CropSegmenter): What is measured.
        tasks (Sequence[CropTask]): n crops.
        truth (np.ndarray): (n, H, W) bool.
        repeats (int): Runs; the median counts.

    Returns:
        dict[str, float]: ``seconds`` a crop, ``mean_iou`` and ``min_iou``.
    """
    seconds, found = _time(lambda: segmenter.segment(tasks), repeats)
    ious = measure_ious(found, truth)
    return {
        'seconds': seconds / len(tasks),
        'mean_iou': float(ious.mean()),
        'min_iou': float(ious.min()),
    }


def benchmark_batching(
    options: Mapping[str, Any], tasks: Sequence[CropTask], repeats: int = 3
) -> dict[str, float]:
    """Compare crops and seeds side by side with one crop and one seed at a time.

    Args:
        options (Mapping): Arguments of ``ClusteringSegmenter``.
        tasks (Sequence[CropTask]): The crops.
        repeats (int): Turns; medians count.

    Returns:
        dict[str, float]: Seconds a crop ``together`` and ``one_at_a_time``, their
        ``ratio``, and ``different_pixels`` of all masks, which should be 0.
    """
    together = ClusteringSegmenter(**options)
    alone = ClusteringSegmenter(**{**options, 'batch_pixels': 1})
    fast, one = _time(lambda: together.segment(tasks), repeats)
    slow, other = _time(lambda: alone.segment(tasks), repeats)
    return {
        'together': fast / len(tasks),
        'one_at_a_time': slow / len(tasks),
        'ratio': slow / fast,
        'different_pixels': float(
            sum(_difference(a, b) for a, b in zip(one, other, strict=True))
        ),
    }


def _difference(one: CropMask, other: CropMask) -> int:
    if one.mask is None or other.mask is None:
        mask = one.mask if other.mask is None else other.mask
        return 0 if mask is None else int(mask.sum())
    return int((one.mask != other.mask).sum())


def _time(
    run: Callable[[], list[CropMask]], repeats: int
) -> tuple[float, list[CropMask]]:
    """Median seconds of a call, and what it returns."""
    if repeats < 1:
        raise ValueError(f'repeats is at least 1, not {repeats}')
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - start)
    return median(seconds), found
