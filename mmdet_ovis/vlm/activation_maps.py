"""Arithmetic on activation maps: stretching, binarising, painting out."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from torch import Tensor
from torch.nn import functional

FLATNESS = 1e-6
"""A map whose values differ by less, as a fraction of the largest, says nothing."""


def is_flat(activation: Tensor) -> bool:
    """Tell whether a map has no place that stands out.

    Examples:
        >>> import torch
        >>> is_flat(torch.full((2, 2), 0.3)), is_flat(torch.eye(2))
        (True, False)
    """
    low, high = activation.min(), activation.max()
    return not bool(high - low > FLATNESS * activation.abs().max())


def stretch(activation: Tensor) -> Tensor:
    """Map the smallest value to 0 and the largest to 1.

    Args:
        activation (Tensor): (h, w), not flat.

    Examples:
        >>> import torch
        >>> stretch(torch.tensor([[1.0, 2.0], [3.0, 5.0]])).tolist()
        [[0.0, 0.25], [0.5, 1.0]]
    """
    low, high = activation.min(), activation.max()
    return (activation - low) / (high - low)


def resize_map(
    activation: Tensor, size: tuple[int, int], mode: Literal['bilinear', 'nearest']
) -> Tensor:
    """Resize a map (h, w) to (height, width); corners are not aligned."""
    corners = {'align_corners': False} if mode == 'bilinear' else {}
    return functional.interpolate(activation[None, None], size, mode=mode, **corners)[
        0, 0
    ]


def binarize(activation: np.ndarray, blur: int = 5) -> np.ndarray:
    """Split a map in two by Otsu's threshold, in 256 grey levels.

    Args:
        activation (np.ndarray): (H, W) float in [0, 1].
        blur (int): Side of the Gaussian window, odd; 1 is none.

    Returns:
        np.ndarray: (H, W) bool, True where the map is high.

    Examples:
        >>> binarize(np.array([[0.1, 0.2, 0.9, 0.8]]), blur=1).tolist()
        [[False, False, True, True]]
    """
    grey = (255 * activation).astype(np.uint8)
    grey = cv2.GaussianBlur(grey, (blur, blur), 0)
    _, high = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return high.astype(bool)


def paint_out(pixels: Tensor, activation: Tensor) -> Tensor:
    """Hide where a map is high behind the mean of the image.

    With ``m`` = 1 where ``activation`` is above a half, 0 where it is below and a half
    where it is exactly that, the result is ``(1 - m) * pixels + mean * (m * pixels !=
    0)``; the mean is one number over all channels and pixels. A value of exactly 0
    stays 0.

    Args:
        pixels (Tensor): (3, H, W), normalised; not changed.
        activation (Tensor): (H, W) in [0, 1].

    Returns:
        Tensor: (3, H, W).

    Examples:
        >>> import torch
        >>> pixels = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(3, 2, 2)
        >>> paint_out(pixels, torch.tensor([[0.0, 0.2], [0.6, 1.0]]))[0].tolist()
        [[1.0, 2.0], [2.5, 2.5]]
    """
    hidden = (activation > 0.5).to(pixels) + 0.5 * (activation == 0.5).to(pixels)
    return (1 - hidden) * pixels + pixels.mean() * (hidden * pixels != 0)
