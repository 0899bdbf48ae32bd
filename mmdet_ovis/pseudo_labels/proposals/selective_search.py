"""Selective search: regions that are merged, most similar first, and their boxes.

Source: Uijlings et al., Selective Search for Object Recognition, IJCV 2013; the finest
regions are those of Felzenszwalb and Huttenlocher, IJCV 2004.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmdet.registry import TASK_UTILS
from skimage.segmentation import felzenszwalb

from .base import FoundBoxes, ProposalProvider
from .region_merging import SIMILARITIES, describe_regions, merge_regions

_COLOR_SPACES = {'lab': cv2.COLOR_BGR2LAB, 'hsv': cv2.COLOR_BGR2HSV}


@TASK_UTILS.register_module()
class SelectiveSearchProposals(ProposalProvider):
    """Boxes of the regions of several hierarchies.

    Args:
        scales (Sequence[float]): Of the finest regions, larger for larger ones.
        color_spaces (Sequence[str]): ``'lab'``, ``'hsv'`` or both; one hierarchy for
            each scale and colour space.
        similarities (Sequence[str]): What makes two regions similar, each in [0, 1]
            and of equal weight: ``'color'``, ``'texture'``, ``'size'`` and ``'fill'``.
        max_side (int): Larger images are shrunk to this longer side, px.
        min_fraction (float): Regions below this fraction of the image are no
            proposals.
        **kwargs: Of :class:`ProposalProvider`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    name = 'selective_search'

    def __init__(
        self,
        scales: Sequence[float] = (100.0,),
        color_spaces: Sequence[str] = ('lab', 'hsv'),
        similarities: Sequence[str] = SIMILARITIES,
        max_side: int = 400,
        min_fraction: float = 0.001,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not scales or min(scales) <= 0:
            raise ValueError(f'scales are positive, not {list(scales)}')
        _check_names('color_spaces', color_spaces, tuple(_COLOR_SPACES))
        _check_names('similarities', similarities, SIMILARITIES)
        if max_side < 16:
            raise ValueError(f'max_side is at least 16 pixels, not {max_side}')
        if not 0 <= min_fraction < 1:
            raise ValueError(f'min_fraction is in [0, 1), not {min_fraction}')
        self.scales = tuple(scales)
        self.color_spaces = tuple(color_spaces)
        self.similarities = tuple(similarities)
        self.max_side = max_side
        self.min_fraction = min_fraction

    @property
    def parameters(self) -> dict[str, Any]:
        """What the hierarchies depend on, and the choice among their boxes."""
        return {
            **super().parameters,
            'scales': list(self.scales),
            'color_spaces': list(self.color_spaces),
            'similarities': list(self.similarities),
            'max_side': self.max_side,
            'min_fraction': self.min_fraction,
        }

    def find(self, image: np.ndarray, image_id: int, file_name: str) -> FoundBoxes:
        """Build the hierarchies and collect the boxes of their regions.

        A region scores by its place in the order of merging, 1 for the last.
        """
        height, width = image.shape[:2]
        small = _shrink(image, self.max_side)
        found = [
            self._search(cv2.cvtColor(small, _COLOR_SPACES[space]), scale)
            for scale in self.scales
            for space in self.color_spaces
        ]
        boxes = np.concatenate([boxes for boxes, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        factor = [width / small.shape[1], height / small.shape[0]]
        return FoundBoxes(boxes * np.array(factor * 2), scores)

    def _search(self, image: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
        labels = felzenszwalb(
            image, scale=scale, sigma=0.8, min_size=max(int(scale) // 2, 4)
        )
        hierarchy = merge_regions(
            labels, describe_regions(labels, image), self.similarities
        )
        large = np.flatnonzero(hierarchy.sizes >= self.min_fraction * labels.size)
        return hierarchy.boxes[large], (large + 1) / len(hierarchy.sizes)


def _check_names(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    if not names or not set(names) <= set(known):
        raise ValueError(f'{what} are some of {", ".join(known)}, not {list(names)}')


def _shrink(image: np.ndarray, max_side: int) -> np.ndarray:
    height, width = image.shape[:2]
    factor = max_side / max(height, width)
    if factor >= 1:
        return image
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
