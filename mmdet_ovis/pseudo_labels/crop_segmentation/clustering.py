"""Crops segmented by small networks that learn on the crop itself.

Source: Mask-free OVIS (VS et al., CVPR 2023), weakly-supervised segmentation.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from mmdet.registry import TASK_UTILS

from ...utils.reproducible import one_algorithm
from ..mask_cleaning import EMPTY_MASK
from .base import SMALL_CROP, CropMask, CropSegmenter, CropTask
from .clustering_network import ClusteringOptions, ClusteringRun, Clusters, cluster
from .crops import (
    Crop,
    check_crop_options,
    cut_crop,
    cut_stretched_crop,
    is_small,
)
from .scribbles import (
    FOREGROUND,
    outline_scribbles,
    ring_scribbles,
)


class BaseClusteringSegmenter(CropSegmenter):
    """Sort the pixels of crops by networks that run side by side.

    Args:
        options (ClusteringOptions): Of the networks.
        n_seeds (int): Networks a crop; their masks are averaged.
        pad_to (int): Crops are padded to sides of a multiple of this. Those of one
            padded shape run together; the shape of a crop depends on nothing else, so
            that on a CPU its mask has the same bytes whatever runs beside it.
        batch_pixels (int): Padded pixels, over all networks, that run together; a
            single network may have more.
        device (str): Where to compute.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(
        self,
        options: ClusteringOptions,
        n_seeds: int,
        pad_to: int,
        batch_pixels: int,
        device: str,
    ) -> None:
        for name, value in (
            ('n_seeds', n_seeds),
            ('pad_to', pad_to),
            ('batch_pixels', batch_pixels),
        ):
            if value < 1:
                raise ValueError(f'{name} is at least 1, not {value}')
        self.options = options
        self.n_seeds = n_seeds
        self.pad_to = pad_to
        self.batch_pixels = batch_pixels
        self.device = device

    @property
    def parameters(self) -> dict[str, Any]:
        """What the networks are, and how many a crop."""
        return {
            'name': self.name,
            'n_seeds': self.n_seeds,
            'pad_to': self.pad_to,
            **asdict(self.options),
        }

    @abstractmethod
    def cut(self, task: CropTask) -> Crop | str:
        """Cut the crop of a task, or say why there is none."""

    @abstractmethod
    def scribble(self, crop: Crop, rng: np.random.Generator) -> np.ndarray:
        """Scribble (h, w) on a crop."""

    @abstractmethod
    def vote(self, found: Sequence[Clusters]) -> np.ndarray:
        """Make a soft mask (h, w) of what the networks of a crop found."""

    def segment(self, tasks: Sequence[CropTask]) -> list[CropMask]:
        """Segment crops of one padded shape together."""
        masks: dict[int, CropMask] = {}
        crops: dict[int, Crop] = {}
        for place, task in enumerate(tasks):
            crop = self.cut(task)
            if isinstance(crop, str):
                masks[place] = CropMask(None, crop)
            else:
                crops[place] = crop
        found: dict[int, list[Clusters]] = {place: [] for place in crops}
        for shape, places, runs in self._batches(tasks, crops):
            with _reproducibly():
                clusters = cluster(runs, self.options, shape, self.device)
            for place, one in zip(places, clusters, strict=True):
                found[place].append(one)
        for place, crop in crops.items():
            masks[place] = self._paste(tasks[place], crop, found[place])
        return [masks[place] for place in range(len(tasks))]

    def _batches(
        self, tasks: Sequence[CropTask], crops: Mapping[int, Crop]
    ) -> Iterator[tuple[tuple[int, int], list[int], list[ClusteringRun]]]:
        """Yield padded shapes, and tasks and runs that go together at them."""
        by_shape: dict[tuple[int, int], list[int]] = {}
        for place, crop in crops.items():
            height, width = (
                -(-side // self.pad_to) * self.pad_to for side in crop.active.shape
            )
            by_shape.setdefault((height, width), []).append(place)
        for shape, places in by_shape.items():
            owners = [place for place in places for _ in range(self.n_seeds)]
            runs = [
                run
                for place in places
                for run in self._runs(tasks[place], crops[place])
            ]
            step = max(self.batch_pixels // (shape[0] * shape[1]), 1)
            for start in range(0, len(runs), step):
                chosen = slice(start, start + step)
                yield shape, owners[chosen], runs[chosen]

    def _runs(self, task: CropTask, crop: Crop) -> Iterator[ClusteringRun]:
        pixels = np.ascontiguousarray(crop.pixels.transpose(2, 0, 1))
        for run in range(self.n_seeds):
            seed = task.seed(run)
            scribbles = self.scribble(crop, np.random.default_rng(seed))
            yield ClusteringRun(pixels, scribbles, seed)

    def _paste(self, task: CropTask, crop: Crop, found: Sequence[Clusters]) -> CropMask:
        mask = crop.paste(self.vote(found), task.image.shape[:2])
        return CropMask(mask) if mask.any() else CropMask(None, EMPTY_MASK)


@TASK_UTILS.register_module()
class ClusteringSegmenter(BaseClusteringSegmenter):
    """The default: original pixels, sure scribbles, several networks.

    Args:
        max_side (int): Larger crops are shrunk to this longer side, px.
        enlarge (float): Crops are larger than boxes by this fraction.
        min_confidence (float): Of foreground scribbles, see
            :func:`.scribbles.ring_scribbles`.
        min_side (int): Boxes with a shorter side are left out, px.
        n_seeds (int): Networks a crop.
        pad_to (int): See :class:`BaseClusteringSegmenter`.
        batch_pixels (int): See there.
        device (str): Where to compute. Defaults to ``'cpu'``.
        **options: Of :class:`.clustering_network.ClusteringOptions`.

    Raises:
        ValueError: If a value is out of its range.
    """

    name = 'clustering'

    def __init__(
        self,
        max_side: int = 64,
        enlarge: float = 0.1,
        min_confidence: float = 0.5,
        min_side: int = 12,
        n_seeds: int = 3,
        pad_to: int = 16,
        batch_pixels: int = 1 << 16,
        device: str = 'cpu',
        **options: Any,
    ) -> None:
        super().__init__(
            ClusteringOptions(**options), n_seeds, pad_to, batch_pixels, device
        )
        check_crop_options(max_side, enlarge, min_confidence, min_side)
        self.max_side = max_side
        self.enlarge = enlarge
        self.min_confidence = min_confidence
        self.min_side = min_side

    @property
    def parameters(self) -> dict[str, Any]:
        """What the networks are, and what they see."""
        return {
            **super().parameters,
            'max_side': self.max_side,
            'enlarge': self.enlarge,
            'min_confidence': self.min_confidence,
            'min_side': self.min_side,
        }

    def cut(self, task: CropTask) -> Crop | str:
        """Cut from the original image."""
        if is_small(task, self.min_side):
            return SMALL_CROP
        return cut_crop(task, self.enlarge, self.max_side)

    def scribble(self, crop: Crop, rng: np.random.Generator) -> np.ndarray:
        """Scribble where the activation is sure, and around the box."""
        return ring_scribbles(
            crop.active, crop.confidence, crop.inside, rng, self.min_confidence
        )

    def vote(self, found: Sequence[Clusters]) -> np.ndarray:
        """Average the probabilities of the foreground."""
        return np.mean([clusters.foreground for clusters in found], axis=0)


@TASK_UTILS.register_module()
class CompatClusteringSegmenter(BaseClusteringSegmenter):
    """What the code of Mask-free OVIS does, but for its unseeded chance.

    One network of 128 channels on the crop of an image that went through 256 x 256
    pixels, no total variation, up to 400 steps without a least number. A crop of
    200 x 200 pixels takes minutes on a CPU.

    Args:
        pad_to (int): See :class:`BaseClusteringSegmenter`. Defaults to 1, no padding.
        batch_pixels (int): See there.
        device (str): Where to compute. Defaults to ``'cpu'``.
        **options: Changes to the options of the networks.
    """

    name = 'clustering_compat'

    def __init__(
        self,
        pad_to: int = 1,
        batch_pixels: int = 1 << 16,
        device: str = 'cpu',
        **options: Any,
    ) -> None:
        compat = {'width': 128, 'tv_weight': 0.0, 'min_iters': 0, 'max_iters': 400}
        super().__init__(
            ClusteringOptions(**{**compat, **options}), 1, pad_to, batch_pixels, device
        )

    def cut(self, task: CropTask) -> Crop | str:
        """Cut from the stretched image."""
        return cut_stretched_crop(task)

    def scribble(self, crop: Crop, rng: np.random.Generator) -> np.ndarray:
        """Scribble on activated pixels, and a rectangle inside the crop."""
        return outline_scribbles(crop.active, rng)

    def vote(self, found: Sequence[Clusters]) -> np.ndarray:
        """Take the cluster of the foreground."""
        return (found[0].labels == FOREGROUND).astype(np.float32)


@contextmanager
def _reproducibly() -> Iterator[None]:
    """Compute by one thread and one algorithm for a shape.

    How sums are split among threads would change their last digits, and steps of
    learning make much of little.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_algorithm():
            yield
    finally:
        torch.set_num_threads(threads)
