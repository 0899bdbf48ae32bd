"""Small networks that sort the pixels of crops into clusters, many at once.

One network for each crop and seed: 3x3 convolution, ReLU, batch normalisation, the same
again, 1x1 convolution, batch normalisation. It learns from its own clusters, while
scribbles pin down two of them. The networks share nothing but the loop. Crops of a
batch are padded to one shape, and the padding takes no part in statistics, losses and
neighbourhoods.

Sources: Kim, Kanezaki and Tanaka, Unsupervised Learning of Image Segmentation Based on
Differentiable Feature Clustering, IEEE TIP 2020; Mask-free OVIS (VS et al., CVPR 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .network_layers import (
    MaskedNorm,
    convolve,
    count_clusters,
    count_labels,
    fill_registers,
    initialize,
    weigh_pixels,
)
from .scribbles import BACKGROUND, FOREGROUND, UNLABELLED


@dataclass(frozen=True)
class ClusteringOptions:
    """How the networks look and learn.

    Args:
        width (int): Channels, and clusters; more than the largest scribble label.
        lr (float): Learning rate of gradient descent.
        momentum (float): Its momentum.
        tv_weight (float): Weight of the total variation of the output, which makes
            neighbours alike.
        own_weight (float): Weight of the cross entropy with a network's own clusters;
            that with the scribbles has weight 1.
        min_iters (int): Steps that are always made.
        max_iters (int): Steps at most. A network stops before, once it has no more
            clusters than there are scribble labels.

    Raises:
        ValueError: If a value is out of its range.
    """

    width: int = 32
    lr: float = 0.25
    momentum: float = 0.9
    tv_weight: float = 1.0
    own_weight: float = 1.0
    min_iters: int = 40
    max_iters: int = 80

    def __post_init__(self) -> None:
        if self.width <= FOREGROUND:
            raise ValueError(
                f'width is more than the label {FOREGROUND} of the foreground, not '
                f'{self.width}'
            )
        if self.lr <= 0 or not 0 <= self.momentum < 1:
            raise ValueError(
                f'lr is positive and momentum in [0, 1), not {self.lr} and '
                f'{self.momentum}'
            )
        if self.tv_weight < 0 or self.own_weight < 0:
            raise ValueError('tv_weight and own_weight are not negative')
        if not 0 <= self.min_iters <= self.max_iters or self.max_iters < 1:
            raise ValueError(
                'min_iters is at most max_iters, and that at least 1, not '
                f'{self.min_iters} and {self.max_iters}'
            )


@dataclass(frozen=True, eq=False)
class ClusteringRun:
    """What one network is to sort.

    Attributes:
        pixels (np.ndarray): (C, h, w) float32, normalised.
        scribbles (np.ndarray): (h, w) uint8 labels.
        seed (int): Of its first weights.
    """

    pixels: np.ndarray
    scribbles: np.ndarray
    seed: int


@dataclass(frozen=True, eq=False)
class Clusters:
    """What became of it.

    Attributes:
        labels (np.ndarray): (h, w) int64, the cluster of each pixel.
        foreground (np.ndarray): (h, w) float32 in [0, 1], probability of the cluster of
            the foreground, as against that of the background.
        iterations (int): Steps that were made.
    """

    labels: np.ndarray
    foreground: np.ndarray
    iterations: int


def cluster(
    runs: Sequence[ClusteringRun],
    options: ClusteringOptions,
    shape: tuple[int, int],
    device: str | torch.device = 'cpu',
) -> list[Clusters]:
    """Sort the pixels of several crops, or of one several times, in one loop.

    Args:
        runs (Sequence[ClusteringRun]): With the same number of channels.
        options (ClusteringOptions): Of all networks.
        shape (tuple[int, int]): Height and width to pad to. What comes of a run depends
            on it in the last digits, and not on the other runs.
        device (str | torch.device): Where to compute.

    Returns:
        list[Clusters]: One a run.

    Raises:
        ValueError: If a crop is larger than ``shape``.
    """
    batch = _Batch.pad(runs, options, shape, torch.device(device))
    places = torch.arange(len(runs), device=batch.mask.device)
    results: dict[int, Clusters] = {}
    for iteration in range(1, options.max_iters + 1):
        done = batch.step()
        if iteration < options.min_iters:
            continue
        if iteration == options.max_iters:
            done = torch.ones_like(done)
        if not done.any():
            continue
        for place, found in zip(
            places[done].tolist(), batch.select(done).read(iteration), strict=True
        ):
            results[place] = _crop(found, runs[place])
        if done.all():
            break
        batch, places = batch.select(~done), places[~done]
    return [results[place] for place in range(len(runs))]


def _crop(found: Clusters, run: ClusteringRun) -> Clusters:
    """Take the padding off."""
    height, width = run.scribbles.shape
    return Clusters(
        found.labels[:height, :width].copy(),
        found.foreground[:height, :width].copy(),
        found.iterations,
    )


class _Batch:
    """R networks of W channels at a common shape H x W' of P pixels."""

    def __init__(
        self,
        options: ClusteringOptions,
        columns: Tensor,
        scribbles: Tensor,
        mask: Tensor,
        parameters: list[Tensor],
        momenta: list[Tensor],
    ) -> None:
        self.options = options
        self.columns = columns  # R x 9 C x P
        self.scribbles = scribbles  # R x H x W'
        self.mask = mask  # R x 1 x P
        self.parameters = parameters
        self.momenta = momenta
        self.count = mask.sum(2, keepdim=True)  # R x 1 x 1
        self.weights = weigh_pixels(scribbles, mask, options.own_weight)
        self.n_labels = count_labels(scribbles)

    @classmethod
    def pad(
        cls,
        runs: Sequence[ClusteringRun],
        options: ClusteringOptions,
        shape: tuple[int, int],
        device: torch.device,
    ) -> _Batch:
        height, width = shape
        width = fill_registers(height, width)
        channels = runs[0].pixels.shape[0]
        pixels = torch.zeros(len(runs), channels, height, width)
        scribbles = torch.full((len(runs), height, width), UNLABELLED)
        mask = torch.zeros(len(runs), height, width)
        for i, run in enumerate(runs):
            rows, columns = run.scribbles.shape
            if rows > height or columns > width:
                raise ValueError(
                    f'a crop of {rows}x{columns} does not fit into {shape}'
                )
            pixels[i, :, :rows, :columns] = torch.from_numpy(run.pixels)
            scribbles[i, :rows, :columns] = torch.from_numpy(run.scribbles)
            mask[i, :rows, :columns] = 1
        parameters = initialize([run.seed for run in runs], channels, options.width)
        parameters = [parameter.to(device) for parameter in parameters]
        return cls(
            options,
            functional.unfold(pixels, 3, padding=1).to(device),
            scribbles.to(device),
            mask.flatten(1)[:, None].to(device),
            parameters,
            [torch.zeros_like(parameter) for parameter in parameters],
        )

    def select(self, kept: Tensor) -> _Batch:
        """Return some of the networks, given (R,) bool."""
        return _Batch(
            self.options,
            self.columns[kept],
            self.scribbles[kept],
            self.mask[kept],
            [parameter.detach()[kept] for parameter in self.parameters],
            [momentum[kept] for momentum in self.momenta],
        )

    def step(self) -> Tensor:
        """Learn once; tell which networks (R,) bool had few enough clusters."""
        parameters = [parameter.requires_grad_() for parameter in self.parameters]
        output = self._forward(parameters)  # R x W x P
        with torch.no_grad():
            labels = output.argmax(1)
            gradient = self._loss_gradient(output, labels)
            done = count_clusters(labels, self.mask, self.options.width)
        gradients = torch.autograd.grad(output, parameters, gradient)
        with torch.no_grad():
            torch._foreach_mul_(self.momenta, self.options.momentum)
            torch._foreach_add_(self.momenta, gradients)
            torch._foreach_add_(parameters, self.momenta, alpha=-self.options.lr)
        return done <= self.n_labels

    @torch.no_grad()
    def read(self, iteration: int) -> list[Clusters]:
        """Return what the networks say now, with the padding."""
        output = self._forward(self.parameters)
        shape = self.scribbles.shape[1:]
        foreground = (output[:, FOREGROUND] - output[:, BACKGROUND]).sigmoid()
        return [
            Clusters(
                one.argmax(0).view(shape).cpu().numpy(),
                front.view(shape).cpu().numpy(),
                iteration,
            )
            for one, front in zip(output, foreground, strict=True)
        ]

    def _forward(self, parameters: Sequence[Tensor]) -> Tensor:
        weight1, bias1, scale1, shift1, weight2, bias2, *rest = parameters
        scale2, shift2, weight3, scale3, shift3 = rest
        normalize = MaskedNorm.apply
        x = torch.baddbmm(bias1[:, :, None], weight1, self.columns)
        x = normalize(x, scale1, shift1, self.mask, self.count, True)
        x = convolve(x, weight2, bias2, self.scribbles.shape[1:])
        x = normalize(x, scale2, shift2, self.mask, self.count, True)
        x = torch.bmm(weight3, x)
        return normalize(x, scale3, shift3, self.mask, self.count, False)

    def _loss_gradient(self, output: Tensor, labels: Tensor) -> Tensor:
        """Gradient (R, W, P) of the loss with respect to the output."""
        known = self.scribbles.flatten(1)
        target = torch.where(known == UNLABELLED, labels, known)
        gradient = output.softmax(1)
        gradient.scatter_add_(
            1, target[:, None], gradient.new_full((), -1.0).expand_as(target[:, None])
        )
        gradient *= self.weights
        if self.options.tv_weight:
            self._add_variation(gradient, output)
        return gradient

    def _add_variation(self, gradient: Tensor, output: Tensor) -> None:
        shape = (*output.shape[:2], *self.scribbles.shape[1:])
        gradient, output = gradient.view(shape), output.view(shape)
        mask = self.mask.view(-1, 1, *shape[2:])
        for axis in (2, 3):
            steps = shape[axis] - 1
            ahead = mask.narrow(axis, 1, steps)  # padding is at the far ends
            pairs = ahead.sum((2, 3), keepdim=True).clamp(min=1)
            factor = ahead * (self.options.tv_weight / (shape[1] * pairs))
            slope = output.narrow(axis, 1, steps) - output.narrow(axis, 0, steps)
            slope.sign_().mul_(factor)
            gradient.narrow(axis, 1, steps).add_(slope)
            gradient.narrow(axis, 0, steps).sub_(slope)
