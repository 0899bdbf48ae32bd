"""Layers and counts of several networks at once, each on its own.

R networks of W channels work on crops that are padded to one shape of P pixels. What
comes of one has the same bytes whichever others are beside it, as long as all else, the
padded shape above all, is the same, on a CPU and with one thread: whatever adds up,
adds up within one network, by the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .scribbles import BACKGROUND, FOREGROUND, UNLABELLED

_EPS: Final = 1e-5
_AT_ONCE: Final = 32
"""A multiple of the numbers that PyTorch computes together on any CPU."""


def fill_registers(height: int, width: int) -> int:
    """Return the least width, from ``width`` on, at which no pixel is left over.

    PyTorch computes numbers in groups, and those that are left over at the end of a
    tensor in another way, with other last digits. Which those are would depend on the
    number of networks.

    Examples:
        >>> fill_registers(48, 64), fill_registers(6, 20), fill_registers(13, 17)
        (64, 32, 32)
    """
    step = _AT_ONCE // math.gcd(height, _AT_ONCE)
    return -(-width // step) * step


def convolve(x: Tensor, weight: Tensor, bias: Tensor, shape: tuple[int, int]) -> Tensor:
    """Convolve with 3x3 kernels.

    One call a network: one call for all, with groups, adds up in another order for
    another number of groups.

    Args:
        x (Tensor): (R, W, P).
        weight (Tensor): (R, W, W, 3, 3).
        bias (Tensor): (R, W).
        shape (tuple[int, int]): Height and width, of P pixels.

    Returns:
        Tensor: (R, W, P).
    """
    images = x.view(len(x), 1, -1, *shape)
    found = [
        functional.conv2d(*one, padding=1)
        for one in zip(images, weight, bias, strict=True)
    ]
    return torch.cat(found).flatten(2)


class MaskedNorm(torch.autograd.Function):
    """Batch normalisation over the pixels of the mask, of x or of ReLU(x).

    The rest of the output is 0, so that it is zero padding for what follows.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,  # R x W x P
        scale: Tensor,  # R x W
        shift: Tensor,  # R x W
        mask: Tensor,  # R x 1 x P
        count: Tensor,  # R x 1 x 1
        rectify: bool,
    ) -> Tensor:
        """Normalise, (R, W, P); ``x`` is overwritten."""
        x = x.relu_() if rectify else x
        x = x.mul_(mask)
        mean = x.sum(2, keepdim=True) / count
        variance = (x * x).sum(2, keepdim=True) / count - mean * mean
        inverse = (variance.clamp(min=0) + _EPS).rsqrt()
        factor = scale[:, :, None] * inverse
        ctx.save_for_backward(x, mask, mean, inverse, factor, count)
        ctx.rectify = rectify
        return torch.addcmul(shift[:, :, None] - mean * factor, x, factor).mul_(mask)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        """Gradients with respect to ``x``, ``scale`` and ``shift``."""
        x, mask, mean, inverse, factor, count = ctx.saved_tensors
        gradient = gradient * mask
        total = gradient.sum(2, keepdim=True)
        along = ((gradient * x).sum(2, keepdim=True) - mean * total) * inverse
        slope = -factor * inverse * along / count
        offset = -factor * total / count - slope * mean
        inner = gradient.mul_(factor).addcmul_(x, slope).add_(offset)
        inner = inner.mul_(x > 0) if ctx.rectify else inner.mul_(mask)
        return inner, along[..., 0], total[..., 0], None, None, None


def initialize(seeds: Sequence[int], channels: int, width: int) -> list[Tensor]:
    """First parameters of all networks, those of PyTorch's layers.

    The last convolution has no bias: normalisation would take it away.
    """
    shapes = [(width, 9 * channels), (width, width, 3, 3), (width, width)]
    networks = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        network = []
        for i, shape in enumerate(shapes):
            bound = float(np.prod(shape[1:])) ** -0.5
            for size in (shape, (width,))[: 2 if i < 2 else 1]:
                uniform = torch.rand(size, generator=generator)
                network.append(uniform.mul_(2 * bound).sub_(bound))
            network += [torch.ones(width), torch.zeros(width)]
        networks.append(network)
    return [torch.stack(same) for same in zip(*networks, strict=True)]


def weigh_pixels(scribbles: Tensor, mask: Tensor, own_weight: float) -> Tensor:
    """Weight (R, 1, P) of each pixel: means over scribbles and over the rest."""
    known = (scribbles != UNLABELLED).flatten(1)[:, None].to(mask)
    known, rest = known * mask, (1 - known) * mask
    n_known, n_rest = (part.sum(2, keepdim=True).clamp(min=1) for part in (known, rest))
    return known / n_known + own_weight * rest / n_rest


def count_labels(scribbles: Tensor) -> Tensor:
    """Numbers (R,) of different labels among the scribbles."""
    flat = scribbles.flatten(1)
    return torch.stack([(flat == x).any(1) for x in (BACKGROUND, FOREGROUND)]).sum(0)


def count_clusters(labels: Tensor, mask: Tensor, width: int) -> Tensor:
    """Numbers (R,) of different clusters (R, P) within the mask."""
    seen = mask.new_zeros(len(labels), width)
    return seen.scatter_add_(1, labels, mask[:, 0]).gt_(0).sum(1)
