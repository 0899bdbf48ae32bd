"""What an affinity network predicts beside what it should."""

from __future__ import annotations

import numpy as np

from .drawing import draw_affinity, draw_masks, make_panel
from .instances import resize_mask

_NOT_SUPERVISED = 90  # gray


def draw_affinity_target(target: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Colour an affinity target as a prediction; gray where nothing is supervised.

    Args:
        target (np.ndarray): (C, H, W) float in [0, 1]; of several channels the least
            of the supervised ones counts.
        valid (np.ndarray): (C, H, W) bool, the supervised positions.

    Returns:
        np.ndarray: (H, W, 3) uint8, RGB.
    """
    drawn = draw_affinity(np.where(valid, target, 1.0))
    drawn[~valid.any(axis=0)] = _NOT_SUPERVISED
    return drawn


def draw_affinity_panel(
    image: np.ndarray,
    affinity: np.ndarray,
    target: np.ndarray | None = None,
    valid: np.ndarray | None = None,
    masks: np.ndarray | None = None,
) -> np.ndarray:
    """Draw image, prediction, target and masks side by side.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        affinity (np.ndarray): (C, H, W) float in [0, 1].
        target (np.ndarray, optional): (C, H, W), see :func:`draw_affinity_target`.
        valid (np.ndarray, optional): (C, H, W) bool; goes with ``target``.
        masks (np.ndarray, optional): (n, h, w) bool, best first, of any size.

    Returns:
        np.ndarray: One RGB image.
    """
    pictures, titles = [image, draw_affinity(affinity)], ['image', 'affinity']
    if target is not None:
        pictures.append(draw_affinity_target(target, valid))
        titles.append('target')
    if masks is not None:
        size = image.shape[1::-1]  # width, height
        pictures.append(draw_masks(image, [resize_mask(mask, size) for mask in masks]))
        titles.append(f'top {len(masks)} masks')
    return make_panel(pictures, titles)
