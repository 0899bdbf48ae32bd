"""Regions of an image, and their hierarchy: neighbours merged, most similar first.

Source: Uijlings et al., Selective Search for Object Recognition, IJCV 2013.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from scipy import ndimage

_COLOR_BINS: Final = 25
_TEXTURE_BINS: Final = 10
_ORIENTATIONS: Final = 8
SIMILARITIES: Final = ('color', 'texture', 'size', 'fill')


@dataclass(frozen=True, eq=False)
class Regions:
    """What is compared of regions.

    Attributes:
        sizes (np.ndarray): (N,) float64, pixels.
        boxes (np.ndarray): (N, 4) float64, xyxy, the ends exclusive.
        colors (np.ndarray): (N, 75) float32 histograms that sum up to 1.
        textures (np.ndarray): (N, 240) float32 histograms that sum up to 1.
    """

    sizes: np.ndarray
    boxes: np.ndarray
    colors: np.ndarray
    textures: np.ndarray


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """All regions of a hierarchy: the finest ones, then those that were merged.

    Attributes:
        boxes (np.ndarray): (2 N - 1, 4) float64, xyxy.
        sizes (np.ndarray): (2 N - 1,) float64, pixels.
    """

    boxes: np.ndarray
    sizes: np.ndarray


def describe_regions(labels: np.ndarray, image: np.ndarray) -> Regions:
    """Measure regions.

    Args:
        labels (np.ndarray): (H, W) int, 0 to N - 1.
        image (np.ndarray): (H, W, 3) uint8, in any colour space.

    Returns:
        Regions: Of all labels.
    """
    number = int(labels.max()) + 1
    flat = labels.ravel().astype(np.int64)
    sizes = np.bincount(flat, minlength=number).astype(np.float64)
    colors = _histograms(flat, number, cv2.split(image), _COLOR_BINS)
    textures = _histograms(flat, number, _slopes(image), _TEXTURE_BINS)
    return Regions(sizes, _tight_boxes(labels), colors, textures)


def merge_regions(
    labels: np.ndarray, regions: Regions, similarities: Sequence[str]
) -> Hierarchy:
    """Merge neighbours, most similar first, until one region is left.

    Complexity: O(E log E) for E pairs of neighbours that ever are.

    Args:
        labels (np.ndarray): (H, W) int.
        regions (Regions): What :func:`describe_regions` measures.
        similarities (Sequence[str]): See :class:`SelectiveSearchProposals`.

    Returns:
        Hierarchy: Ties are merged in the order of their labels.
    """
    return _Merging(labels, regions, similarities).run()


class _Merging:
    """The state of one hierarchy while it grows."""

    def __init__(
        self, labels: np.ndarray, regions: Regions, similarities: Sequence[str]
    ) -> None:
        self.number = len(regions.sizes)
        total = 2 * self.number - 1
        self.pixels = float(labels.size)
        self.similarities = similarities
        self.sizes, self.boxes, self.colors, self.textures = (
            np.zeros((total, *array.shape[1:]), array.dtype)
            for array in (
                regions.sizes,
                regions.boxes,
                regions.colors,
                regions.textures,
            )
        )
        self.sizes[: self.number] = regions.sizes
        self.boxes[: self.number] = regions.boxes
        self.colors[: self.number] = regions.colors
        self.textures[: self.number] = regions.textures
        self.neighbours: list[set[int]] = [set() for _ in range(total)]
        self.heap: list[tuple[float, int, int]] = []
        for one, other in _neighbour_pairs(labels).tolist():
            self.neighbours[one].add(other)
            self.neighbours[other].add(one)

    def run(self) -> Hierarchy:
        for region in range(self.number):
            above = [other for other in self.neighbours[region] if other > region]
            self._push(region, sorted(above))
        alive = np.zeros(len(self.sizes), bool)
        alive[: self.number] = True
        new = self.number
        while self.heap:
            _, one, other = heapq.heappop(self.heap)
            if not (alive[one] and alive[other]):
                continue
            alive[[one, other]] = False
            alive[new] = True
            self._merge(one, other, new)
            new += 1
        return Hierarchy(self.boxes[:new], self.sizes[:new])

    def _merge(self, one: int, other: int, new: int) -> None:
        pair = [one, other]
        share = self.sizes[pair] / self.sizes[pair].sum()
        self.sizes[new] = self.sizes[pair].sum()
        self.boxes[new, :2] = self.boxes[pair, :2].min(axis=0)
        self.boxes[new, 2:] = self.boxes[pair, 2:].max(axis=0)
        self.colors[new] = share @ self.colors[pair]
        self.textures[new] = share @ self.textures[pair]
        around = (self.neighbours[one] | self.neighbours[other]) - {one, other}
        self.neighbours[new] = around
        for region in around:
            self.neighbours[region] -= {one, other}
            self.neighbours[region].add(new)
        self._push(new, sorted(around))

    def _push(self, region: int, others: list[int]) -> None:
        if not others:
            return
        for other, similarity in zip(
            others, self._compare(region, others).tolist(), strict=True
        ):
            heapq.heappush(
                self.heap, (-similarity, min(region, other), max(region, other))
            )

    def _compare(self, region: int, others: list[int]) -> np.ndarray:
        """Similarities (n,) of a region to others."""
        total = np.zeros(len(others))
        joint = self.sizes[region] + self.sizes[others]
        if 'color' in self.similarities:
            total += np.minimum(self.colors[region], self.colors[others]).sum(axis=1)
        if 'texture' in self.similarities:
            total += np.minimum(self.textures[region], self.textures[others]).sum(
                axis=1
            )
        if 'size' in self.similarities:
            total += 1 - joint / self.pixels
        if 'fill' in self.similarities:
            ends = np.maximum(self.boxes[region, 2:], self.boxes[others, 2:])
            starts = np.minimum(self.boxes[region, :2], self.boxes[others, :2])
            total += 1 - ((ends - starts).prod(axis=1) - joint) / self.pixels
        return total


def _histograms(
    labels: np.ndarray, number: int, channels: Sequence[np.ndarray], bins: int
) -> np.ndarray:
    """Histograms (number, C * bins) of C channels (H, W) uint8; each sums up to 1."""
    first = labels * bins
    table = (np.arange(256) * bins // 256).astype(np.uint8)
    counts = np.stack(
        [
            np.bincount(
                first + cv2.LUT(channel, table).ravel(), minlength=number * bins
            ).reshape(number, bins)
            for channel in channels
        ],
        axis=1,
    )
    counts = counts.reshape(number, -1).astype(np.float32)
    return counts / counts.sum(axis=1, keepdims=True)


def _slopes(image: np.ndarray) -> list[np.ndarray]:
    """Slopes (H, W) uint8 of three channels in eight directions; 0 where it falls."""
    slopes = []
    for channel in cv2.split(cv2.GaussianBlur(image, (0, 0), 1.0)):
        along_x = cv2.Sobel(channel, cv2.CV_32F, 1, 0, scale=0.25)
        along_y = cv2.Sobel(channel, cv2.CV_32F, 0, 1, scale=0.25)
        for angle in np.arange(_ORIENTATIONS // 2) * (2 * np.pi / _ORIENTATIONS):
            slope = cv2.addWeighted(along_x, np.cos(angle), along_y, np.sin(angle), 0)
            # OpenCV cuts at 0 and 255.
            slopes.append(cv2.add(slope, 0.0, dtype=cv2.CV_8U))
            slopes.append(cv2.multiply(slope, -1.0, dtype=cv2.CV_8U))
    return slopes


def _tight_boxes(labels: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) float64 xyxy of the labels 0 to N - 1."""
    return np.array(
        [
            [columns.start, rows.start, columns.stop, rows.stop]
            for rows, columns in ndimage.find_objects(labels + 1)
        ],
        np.float64,
    )


def _neighbour_pairs(labels: np.ndarray) -> np.ndarray:
    """Pairs (n, 2) of labels that share a pixel side, the smaller first, sorted."""
    beside = np.concatenate(
        [
            np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], axis=1),
            np.stack([labels[:-1].ravel(), labels[1:].ravel()], axis=1),
        ]
    )
    beside = np.sort(beside[beside[:, 0] != beside[:, 1]], axis=1)
    return np.unique(beside, axis=0)
