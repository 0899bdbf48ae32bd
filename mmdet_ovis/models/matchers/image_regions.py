"""What counts as a region of an image before anybody has found its objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...utils.windows import count_windows


class Regions(NamedTuple):
    """Regions of the images of a batch.

    Attributes:
        vectors (Tensor): (B, K, D), projected into the space of words.
        mask (Tensor): (B, K) bool, which of them there are.
        centres (Tensor): (B, K, 2) float32, x and y of their centres as shares of width
            and height of the image.
    """

    vectors: Tensor
    mask: Tensor
    centres: Tensor


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


def valid_cells(
    shapes: Sequence[Sequence[int]],
    padded: Sequence[int],
    grid: Sequence[int],
) -> Tensor:
    """Tell the cells of a feature map that lie in an image from those in its padding.

    Args:
        shapes (Sequence[Sequence[int]]): (height, width) of each of B images in pixels.
        padded (Sequence[int]): (H, W) of the batch.
        grid (Sequence[int]): (h, w) of the feature map.

    Returns:
        Tensor: (B, h, w) bool on the CPU, True where the centre of a cell is in the
        image.

    Examples:
        >>> valid_cells([(4, 8), (8, 5)], (8, 8), (2, 2)).long().tolist()
        [[[1, 1], [0, 0]], [[1, 0], [1, 0]]]
    """
    rows, columns = _centres_by_axis(padded, grid)
    return torch.stack(
        [(rows < shape[0])[:, None] & (columns < shape[1])[None, :] for shape in shapes]
    )


def relative_centres(centres: Tensor, shapes: Sequence[Sequence[int]]) -> Tensor:
    """Express centres of regions as shares of the size of their image.

    Args:
        centres (Tensor): (B, K, 2), x and y, px.
        shapes (Sequence[Sequence[int]]): (height, width) of each of B images, px.

    Returns:
        Tensor: (B, K, 2) float32.

    Examples:
        >>> relative_centres(torch.tensor([[[4.0, 4.0]]]), [(16, 8)]).tolist()
        [[[0.5, 0.25]]]
    """
    sizes = torch.tensor([[shape[1], shape[0]] for shape in shapes])
    return centres / sizes[:, None].to(centres)


def cell_centres(padded: Sequence[int], grid: Sequence[int]) -> Tensor:
    """Return where the cells of a feature map lie.

    Args:
        padded (Sequence[int]): (H, W) of the batch.
        grid (Sequence[int]): (h, w) of the feature map.

    Returns:
        Tensor: (h * w, 2) float32 on the CPU, x and y of their centres, px, row by row.

    Examples:
        >>> cell_centres((8, 16), (1, 2)).tolist()
        [[4.0, 4.0], [12.0, 4.0]]
    """
    y, x = torch.meshgrid(*_centres_by_axis(padded, grid), indexing='ij')
    return torch.stack([x, y], dim=-1).flatten(0, 1)


def _centres_by_axis(
    padded: Sequence[int], grid: Sequence[int]
) -> tuple[Tensor, Tensor]:
    rows, columns = (
        (torch.arange(n) + 0.5) * size / n for n, size in zip(grid, padded, strict=True)
    )
    return rows, columns


def draw_cells(valid: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Draw valid cells of each image at random, each at most once.

    Args:
        valid (Tensor): (B, N) bool.
        number (int): How many, at least 1.

    Returns:
        tuple[Tensor, Tensor]: Places (B, K) int64 with K = min(number, N), and which
        of them are valid, (B, K) bool.
    """
    lots = torch.rand(valid.shape).masked_fill(~valid, -1.0)
    drawn = lots.topk(min(number, valid.shape[1]), dim=1)
    return drawn.indices, drawn.values >= 0
