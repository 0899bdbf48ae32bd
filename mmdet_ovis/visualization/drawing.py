"""Pictures of affinity, partitions, masks and how they compare.

All functions take and return RGB images, (H, W, 3) uint8, and draw on a copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_BOUNDARY_COLOR = (255, 255, 255)
_TITLE_HEIGHT = 22
_MARGIN = 4


def distinct_colors(n: int, seed: int = 0) -> np.ndarray:
    """Return ``n`` well-separated colours, (n, 3) uint8.

    Hues advance by the golden ratio, so any prefix of the list is spread evenly.

    Examples:
        >>> distinct_colors(5).shape
        (5, 3)
    """
    golden = 0.6180339887498949
    hues = (np.arange(n) * golden + 0.1 * seed) % 1.0
    values = 255 - 55 * (np.arange(n) % 2)
    hsv = np.stack([hues * 180, np.full(n, 200), values], axis=1).astype(np.uint8)
    return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0] if n else hsv


def draw_affinity(affinity: np.ndarray) -> np.ndarray:
    """Colour an affinity map: dark where a boundary is likely, bright inside objects.

    Args:
        affinity (ndarray): (H, W) or (C, H, W) float in [0, 1]; of several channels
            the minimum is drawn.
    """
    if affinity.ndim == 3:
        affinity = affinity.min(axis=0)
    gray = np.clip(affinity * 255, 0, 255).astype(np.uint8)
    return cv2.cvtColor(
        cv2.applyColorMap(gray, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB
    )


def draw_partition(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Fill each region with its mean colour and outline it.

    Args:
        image (ndarray): (H, W, 3) uint8.
        labels (ndarray): (H, W) int, regions numbered from 0 or 1.
    """
    count = np.maximum(np.bincount(labels.ravel()), 1)
    means = [
        np.bincount(labels.ravel(), weights=image[..., c].ravel()) / count
        for c in range(3)
    ]
    drawn = np.stack(means, axis=1)[labels].astype(np.uint8)
    boundary = np.zeros(labels.shape, dtype=bool)
    boundary[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    boundary[:-1] |= labels[:-1] != labels[1:]
    drawn[boundary] = _BOUNDARY_COLOR
    return drawn


def draw_masks(
    image: np.ndarray,
    masks: np.ndarray | Sequence[np.ndarray],
    colors: np.ndarray | None = None,
    alpha: float = 0.5,
) -> np.ndarray:
    """Lay masks over an image, the first on top, with an outline each.

    Args:
        image (ndarray): (H, W, 3) uint8.
        masks (ndarray): (n, H, W) bool, best first.
        colors (ndarray, optional): (n, 3) uint8. Defaults to distinct ones.
        alpha (float): Opacity in [0, 1]. Defaults to 0.5.
    """
    drawn = image.copy()
    if colors is None:
        colors = distinct_colors(len(masks))
    for mask, color in list(zip(masks, colors, strict=True))[::-1]:
        mask = np.asarray(mask, dtype=bool)
        tint = (1 - alpha) * image[mask] + alpha * np.asarray(color, dtype=float)
        drawn[mask] = tint.astype(np.uint8)
    for mask, color in list(zip(masks, colors, strict=True))[::-1]:
        contours, _ = cv2.findContours(
            np.asarray(mask, dtype=np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(drawn, contours, -1, [int(c) for c in color], 1, cv2.LINE_AA)
    return drawn


def make_panel(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Put pictures of one height side by side, each under its title.

    Args:
        pictures (Sequence[ndarray]): Images (H, W_i, 3) uint8.
        titles (Sequence[str]): One a picture.

    Returns:
        ndarray: One RGB image on white.
    """
    columns = []
    for picture, title in zip(pictures, titles, strict=True):
        bar = np.full((_TITLE_HEIGHT, picture.shape[1], 3), 255, dtype=np.uint8)
        cv2.putText(
            bar,
            title,
            (3, _TITLE_HEIGHT - 7),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.45,
            (0, 0, 0),
            1,
            cv2.LINE_AA,
        )
        columns.append(np.vstack([bar, picture]))
    gap = np.full((columns[0].shape[0], _MARGIN, 3), 255, dtype=np.uint8)
    parts = [part for column in columns for part in (column, gap)]
    return np.hstack(parts[:-1])


def stack_panels(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Put panels of one width under each other."""
    width = max(panel.shape[1] for panel in panels)
    padded = [
        np.pad(
            panel,
            ((0, _MARGIN), (0, width - panel.shape[1]), (0, 0)),
            constant_values=255,
        )
        for panel in panels
    ]
    return np.vstack(padded)
