"""From the raw mask of a crop to one that is worth keeping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from pycocotools import mask as mask_api

from ..structures.pseudo_annotation import RLE

EMPTY_MASK = 'empty_mask'
AREA_RATIO = 'area_ratio'
_LABEL = 8
"""Value of the mask in the code of Mask-free OVIS; it decides how far blur reaches."""


@dataclass(frozen=True)
class CleanedMask:
    """What is left of a mask.

    Attributes:
        mask (np.ndarray): (H, W) bool.
        area_ratio (float): Its pixels over those of its box.
        reason (str, optional): Why it should be dropped: ``'empty_mask'`` or
            ``'area_ratio'``; None if it is fine.
    """

    mask: np.ndarray
    area_ratio: float
    reason: str | None = None


@dataclass(frozen=True)
class MaskCleaning:
    """Takes specks away, fills small holes, cuts at the box and judges the rest.

    Args:
        min_part (float): Components smaller than this fraction of the box go.
        min_part_pixels (int): And those smaller than this.
        max_hole (float): Holes up to this fraction of the box are filled.
        max_parts (int): Components that may stay, the largest ones.
        min_area_ratio (float): Smallest share of the box that a mask may cover.
        max_area_ratio (float): Largest one.
        redraw (bool): Draw what is left from :func:`polygonize`, which is how files of
            the code of Mask-free OVIS hold masks. Defaults to False.

    Raises:
        ValueError: If a fraction is not in [0, 1], a number is not positive, or no mask
            could meet both ratios.
    """

    min_part: float = 0.005
    min_part_pixels: int = 16
    max_hole: float = 0.01
    max_parts: int = 3
    min_area_ratio: float = 0.05
    max_area_ratio: float = 0.98
    redraw: bool = False

    def __post_init__(self) -> None:
        for name in ('min_part', 'max_hole', 'min_area_ratio', 'max_area_ratio'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f'{name} is a fraction in [0, 1], not {getattr(self, name)}'
                )
        if self.min_area_ratio > self.max_area_ratio:
            raise ValueError(
                f'min_area_ratio is at most max_area_ratio, not {self.min_area_ratio} '
                f'and {self.max_area_ratio}'
            )
        for name in ('min_part_pixels', 'max_parts'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} is at least 1, not {getattr(self, name)}')

    @classmethod
    def compat(cls) -> MaskCleaning:
        """Return what the code of Mask-free OVIS does: all is kept, and drawn thick."""
        return cls(
            min_part=0.0,
            min_part_pixels=1,
            max_hole=0.0,
            max_parts=2**31,
            min_area_ratio=0.0,
            max_area_ratio=1.0,
            redraw=True,
        )

    def __call__(self, mask: np.ndarray, box: tuple[int, int, int, int]) -> CleanedMask:
        """Clean a mask.

        Args:
            mask (np.ndarray): (H, W) bool; not changed.
            box (tuple[int, int, int, int]): x1, y1, x2, y2 in pixels, the ends
                exclusive, within the mask.

        Returns:
            CleanedMask: The mask within the box; if it is drawn again, up to two pixels
            beyond.
        """
        x1, y1, x2, y2 = box
        inside = np.ascontiguousarray(mask[y1:y2, x1:x2]).astype(np.uint8)
        box_area = max(inside.size, 1)
        inside = self._keep_parts(inside, box_area)
        inside = _fill_holes(inside, self.max_hole * box_area)
        cleaned = np.zeros(mask.shape, bool)
        cleaned[y1:y2, x1:x2] = inside
        ratio = float(inside.sum()) / box_area
        if self.redraw:
            cleaned = draw_polygons(polygonize(cleaned), cleaned.shape)
        return CleanedMask(cleaned, ratio, self._judge(ratio))

    def _keep_parts(self, mask: np.ndarray, box_area: int) -> np.ndarray:
        number, labels, stats, _ = cv2.connectedComponentsWithStats(
            mask, connectivity=8
        )
        areas = stats[1:, cv2.CC_STAT_AREA]
        order = np.argsort(-areas, kind='stable')[: self.max_parts]
        kept = np.zeros(number, np.uint8)
        smallest = max(self.min_part * box_area, self.min_part_pixels)
        kept[1 + order[areas[order] >= smallest]] = 1
        return kept[labels]

    def _judge(self, ratio: float) -> str | None:
        if ratio == 0:
            return EMPTY_MASK
        if not self.min_area_ratio <= ratio <= self.max_area_ratio:
            return AREA_RATIO
        return None


def _fill_holes(mask: np.ndarray, largest: float) -> np.ndarray:
    """Fill what is enclosed and has at most ``largest`` pixels."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(
        1 - mask, connectivity=4
    )
    height, width = mask.shape
    fill = stats[:, cv2.CC_STAT_AREA] <= largest
    touches = (
        (stats[:, cv2.CC_STAT_LEFT] == 0)
        | (stats[:, cv2.CC_STAT_TOP] == 0)
        | (stats[:, cv2.CC_STAT_LEFT] + stats[:, cv2.CC_STAT_WIDTH] == width)
        | (stats[:, cv2.CC_STAT_TOP] + stats[:, cv2.CC_STAT_HEIGHT] == height)
    )
    fill &= ~touches
    fill[0] = False  # the mask itself
    return mask | fill[labels].astype(np.uint8) if number > 1 else mask


def encode_mask(mask: np.ndarray) -> RLE:
    """Encode a mask (H, W) as JSON files hold it.

    Examples:
        >>> encode_mask(np.eye(2))
        {'size': [2, 2], 'counts': '0120'}
    """
    rle = mask_api.encode(np.asfortranarray(mask, np.uint8))
    return {
        'size': [int(side) for side in rle['size']],
        'counts': rle['counts'].decode(),
    }


def polygonize(mask: np.ndarray) -> list[list[int]]:
    """Outline a mask as the code of Mask-free OVIS does.

    The mask is blurred, and all contours of what is not zero become polygons of equal
    sign: edges grow by up to two pixels, holes are filled when COCO draws them, and
    single pixels become squares of three. :func:`encode_mask` is exact.

    Args:
        mask (np.ndarray): (H, W) bool.

    Returns:
        list[list[int]]: Polygons x1, y1, x2, y2, ... of three points or more.
    """
    blurred = cv2.GaussianBlur(mask.astype(np.uint8) * _LABEL, (5, 5), 0)
    contours, _ = cv2.findContours(blurred, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    return [contour.ravel().tolist() for contour in contours if len(contour) >= 3]


def draw_polygons(
    polygons: Sequence[Sequence[float]], size: tuple[int, int]
) -> np.ndarray:
    """Draw polygons as COCO does.

    Args:
        polygons (Sequence[Sequence[float]]): Each x1, y1, x2, y2, ... of three points
            or more.
        size (tuple[int, int]): Height and width.

    Returns:
        np.ndarray: (H, W) bool, what is in any of them.

    Examples:
        >>> draw_polygons([[0, 0, 2, 0, 2, 2, 0, 2]], (3, 4)).sum().item()
        4
    """
    if not polygons:
        return np.zeros(size, bool)
    rles = mask_api.frPyObjects([list(polygon) for polygon in polygons], *size)
    return mask_api.decode(mask_api.merge(rles)).astype(bool)
