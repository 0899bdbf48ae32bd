"""What counts as a region of an image before anybody has found its objects."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...utils.windows import count_windows


def grid_boxes(shape: Sequence[int], sizes: Sequence[float]) -> Tensor:
    """Cover an image with squares of several sizes, neighbours half one another.

    Args:
        shape (Sequence[int]): Height and width of the image, px.
        sizes (Sequence[float]): Sides of the squares, px.

    Returns:
        Tensor: (n, 4) xyxy, clipped to the image; at least one of each size.

    Examples:
        >>> grid_boxes((8, 16), [8.0]).tolist()
        [[0.0, 0.0, 8.0, 8.0], [4.0, 0.0, 12.0, 8.0], [8.0, 0.0, 16.0, 8.0]]
        >>> grid_boxes((8, 10), [8.0]).tolist()
        [[0.0, 0.0, 8.0, 8.0], [2.0, 0.0, 10.0, 8.0]]
    """
    height, width = shape[:2]
    boxes = []
    for size in sizes:
        rows, columns = (_starts(length, size) for length in (height, width))
        y, x = torch.meshgrid(rows, columns, indexing='ij')
        corners = torch.stack([x, y, x + size, y + size], dim=-1)
        boxes.append(corners.flatten(0, 1))
    limits = torch.tensor([width, height, width, height], dtype=torch.float32)
    return torch.minimum(torch.cat(boxes).clamp(min=0), limits)


def _starts(length: int, size: float) -> Tensor:
    """Where squares begin, evenly from one border to the other."""
    number = count_windows(length, size, size / 2)
    return torch.linspace(0, max(length - size, 0.0), number)


def pad_boxes(boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Bring lists of boxes to one length.

    Args:
        boxes (Sequence[Tensor]): B times (n, 4).

    Returns:
        tuple[Tensor, Tensor]: (B, N, 4), the first box of an image repeated where it
        has fewer, and which of them there are, (B, N) bool.

    Examples:
        >>> padded, valid = pad_boxes([torch.ones(2, 4), torch.ones(1, 4)])
        >>> padded.shape, valid.tolist()
        (torch.Size([2, 2, 4]), [[True, True], [True, False]])
    """
    longest = max(len(of_image) for of_image in boxes)
    valid = torch.stack([torch.arange(longest) < len(b) for b in boxes])
    padded = [torch.cat([b, b[:1].expand(longest - len(b), 4)]) for b in boxes]
    return torch.stack(padded), valid
