"""Which proposal an activation map means.

A box should hold much of the activation (coverage) and little else (density). The
score of Mask-free OVIS (VS et al., CVPR 2023), activated pixels over the square root of
the area, is their geometric mean times the square root of all activated pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
import torch

from ..structures.proposals import Proposals
from ..utils.settings import check_choice
from ..vlm.activation_maps import binarize, is_flat, resize_map, stretch


@dataclass(frozen=True)
class BoxChoice:
    """The chosen proposal.

    Attributes:
        index (int): Its place among the proposals.
        box (tuple[int, int, int, int]): x1, y1, x2, y2 in pixels, the ends exclusive.
        score (float): By the metric.
        box_conf (float): Geometric mean of the two below, in [0, 1].
        coverage (float): Share of the activated pixels that are in the box.
        density (float): Share of the pixels of the box that are activated.
    """

    index: int
    box: tuple[int, int, int, int]
    score: float
    box_conf: float
    coverage: float
    density: float


@dataclass(frozen=True, eq=False)
class BoxScores:
    """All proposals, judged; fields as of :class:`BoxChoice`, arrays of length N.

    Attributes:
        boxes (np.ndarray): (N, 4) int64 xyxy.
        valid (np.ndarray): (N,) bool, those that may be chosen.
        scores (np.ndarray): (N,) float64, 0 where not valid.
        box_conf (np.ndarray): (N,) float64 in [0, 1].
        coverage (np.ndarray): (N,) float64 in [0, 1].
        density (np.ndarray): (N,) float64 in [0, 1].
    """

    boxes: np.ndarray
    valid: np.ndarray
    scores: np.ndarray
    box_conf: np.ndarray
    coverage: np.ndarray
    density: np.ndarray

    def best(self) -> BoxChoice | None:
        """Return the first of the best valid ones; None if none is valid."""
        if not self.valid.any():
            return None
        index = int(np.argmax(np.where(self.valid, self.scores, -1.0)))
        return BoxChoice(
            index,
            tuple(self.boxes[index].tolist()),
            float(self.scores[index]),
            float(self.box_conf[index]),
            float(self.coverage[index]),
            float(self.density[index]),
        )


@dataclass(frozen=True)
class BoxChooser:
    """Chooses the proposal that an activation map means.

    ============= ============== ==============
    setting       default        ``compat()``
    ============= ============== ==============
    ``metric``    ratio_sqrt     ratio_sqrt
    ``upsample``  bilinear       nearest
    ``borders``   clip           skip
    ``blur``      5              5
    ============= ============== ==============

    Args:
        metric (str): What the best box has most of: ``'ratio_sqrt'`` (activated pixels
            over the square root of the area), ``'iou'`` (of box and activated pixels),
            ``'f_beta'`` (weighted harmonic mean of coverage and density) or ``'soft'``
            (``ratio_sqrt`` of the map before it is binarised).
        beta (float): Weight of coverage in ``'f_beta'``.
        upsample (str): How maps grow to the size of the image: ``'bilinear'`` or
            ``'nearest'``.
        borders (str): ``'clip'`` cuts boxes at the borders of the image and rounds them
            to pixels; ``'skip'`` leaves out boxes that reach beyond a border, by
            however little, and cuts off fractions.
        blur (int): Side of the Gaussian window before binarising, odd; 1 is none.

    Raises:
        ValueError: If a setting is unknown.
    """

    metric: Literal['ratio_sqrt', 'iou', 'f_beta', 'soft'] = 'ratio_sqrt'
    beta: float = 1.0
    upsample: Literal['bilinear', 'nearest'] = 'bilinear'
    borders: Literal['clip', 'skip'] = 'clip'
    blur: int = 5

    def __post_init__(self) -> None:
        choices = {
            'metric': tuple(_METRICS),
            'upsample': ('bilinear', 'nearest'),
            'borders': ('clip', 'skip'),
        }
        for name, known in choices.items():
            check_choice(name, getattr(self, name), known)
        if self.beta <= 0:
            raise ValueError(f'beta is positive, not {self.beta}')
        if self.blur < 1 or self.blur % 2 == 0:
            raise ValueError(f'blur is an odd number of pixels, not {self.blur}')

    @classmethod
    def compat(cls) -> BoxChooser:
        """Return what the code of Mask-free OVIS does."""
        return cls(upsample='nearest', borders='skip')

    def __call__(self, box_map: np.ndarray, proposals: Proposals) -> BoxChoice | None:
        """Choose a box.

        Args:
            box_map (np.ndarray): (h, w) float, of any range, over the whole image.
            proposals (Proposals): N boxes.

        Returns:
            BoxChoice | None: None if no proposal is valid.
        """
        return self.judge(
            self.activate(box_map, proposals.size), proposals.boxes
        ).best()

    def activate(self, box_map: np.ndarray, size: tuple[int, int]) -> Activation:
        """Bring a map to the size of the image and binarise it.

        Args:
            box_map (np.ndarray): (h, w) float; a flat one activates nothing.
            size (tuple[int, int]): Height and width of the image.
        """
        large = resize_map(torch.from_numpy(np.float32(box_map)), size, self.upsample)
        if is_flat(large):
            nothing = np.zeros(size, np.float32)
            return Activation(nothing, nothing.astype(bool))
        soft = stretch(large).numpy()
        return Activation(soft, binarize(soft, self.blur))

    def judge(self, activation: Activation, boxes: np.ndarray) -> BoxScores:
        """Score all boxes; O(pixels + boxes).

        Args:
            activation (Activation): What :meth:`activate` returns.
            boxes (np.ndarray): (N, 4) float xyxy.
        """
        size = activation.mask.shape
        place = _clip if self.borders == 'clip' else _skip
        corners, areas, valid = place(np.asarray(boxes, np.float64), size)
        inside = _sums(activation.mask.astype(np.uint8), corners)
        total = float(activation.mask.sum())
        safe = np.where(valid, areas, 1.0)
        coverage = inside / max(total, 1.0)
        density = np.minimum(inside / safe, 1.0)
        box_conf = np.minimum(np.sqrt(coverage * density), 1.0)
        scores = _METRICS[self.metric](
            _Counts(
                inside, safe, total, coverage, density, activation, corners, self.beta
            )
        )
        return BoxScores(
            corners,
            valid,
            *(np.where(valid, x, 0.0) for x in (scores, box_conf)),
            np.where(valid, coverage, 0.0),
            np.where(valid, density, 0.0),
        )


@dataclass(frozen=True, eq=False)
class Activation:
    """A map at the size of the image.

    Attributes:
        soft (np.ndarray): (H, W) float32 in [0, 1].
        mask (np.ndarray): (H, W) bool, where it is high.
    """

    soft: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True, eq=False)
class _Counts:
    """What the metrics are made of."""

    inside: np.ndarray
    areas: np.ndarray
    total: float
    coverage: np.ndarray
    density: np.ndarray
    activation: Activation
    corners: np.ndarray
    beta: float


def _ratio_sqrt(counts: _Counts) -> np.ndarray:
    return counts.inside / np.sqrt(counts.areas)


def _soft(counts: _Counts) -> np.ndarray:
    return _sums(counts.activation.soft, counts.corners) / np.sqrt(counts.areas)


def _iou(counts: _Counts) -> np.ndarray:
    return counts.inside / (counts.areas + counts.total - counts.inside)


def _f_beta(counts: _Counts) -> np.ndarray:
    square = counts.beta**2
    bottom = square * counts.density + counts.coverage
    top = (1 + square) * counts.density * counts.coverage
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)


_METRICS: Final[Mapping[str, Callable[[_Counts], np.ndarray]]] = {
    'ratio_sqrt': _ratio_sqrt,
    'iou': _iou,
    'f_beta': _f_beta,
    'soft': _soft,
}


def _clip(
    boxes: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners (N, 4) int64 within the image, their areas, and which have one."""
    height, width = size
    corners = np.clip(np.rint(boxes), 0, [width, height] * 2).astype(np.int64)
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 0)
    areas = sides.prod(axis=1).astype(np.float64)
    return corners, areas, areas > 0


def _skip(
    boxes: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with fractions cut off; areas are those of the boxes as they came."""
    height, width = size
    inside = (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] <= [width, height]).all(
        axis=1
    )
    corners = np.trunc(np.where(inside[:, None], boxes, 0)).astype(np.int64)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    filled = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    return corners, areas, inside & filled & (areas > 0)


def _sums(values: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Sums (N,) of values (H, W) in boxes (N, 4) int64, by an integral image."""
    table = cv2.integral(values, sdepth=cv2.CV_64F)
    x1, y1, x2, y2 = corners.T
    x2, y2 = np.maximum(x1, x2), np.maximum(y1, y2)
    return table[y2, x2] - table[y1, x2] - table[y2, x1] + table[y1, x1]
