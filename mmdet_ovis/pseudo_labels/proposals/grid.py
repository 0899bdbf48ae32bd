"""Windows of several sizes all over the image: proposals that know nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from ...utils.windows import count_windows
from .base import FoundBoxes, ProposalProvider


@TASK_UTILS.register_module()
class GridProposals(ProposalProvider):
    """Slide windows of several scales and shapes over the image.

    A yardstick: whatever looks at the image has to do better. All scores are 1.

    Args:
        scales (Sequence[float]): Sides of the square window, fractions of the shorter
            side of the image in (0, 1].
        ratios (Sequence[float]): Height by width of windows of the same area.
        stride (float): Largest step, fraction of the side of the window, in (0, 1].
        top_k (int, optional): Defaults to None, all of them.
        **kwargs: Of :class:`ProposalProvider`.

    Raises:
        ValueError: If a number is out of its range.
    """

    name = 'grid'

    def __init__(
        self,
        scales: Sequence[float] = (1.0, 0.7, 0.5, 0.35, 0.25),
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        stride: float = 0.35,
        top_k: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(top_k=top_k, **kwargs)
        if not scales or not all(0 < scale <= 1 for scale in scales):
            raise ValueError(f'scales are fractions in (0, 1], not {list(scales)}')
        if not ratios or not all(ratio > 0 for ratio in ratios):
            raise ValueError(f'ratios are positive, not {list(ratios)}')
        if not 0 < stride <= 1:
            raise ValueError(f'stride is a fraction in (0, 1], not {stride}')
        self.scales = tuple(scales)
        self.ratios = tuple(ratios)
        self.stride = stride

    @property
    def parameters(self) -> dict[str, Any]:
        """Sizes and steps of the windows, and the choice among them."""
        return {
            **super().parameters,
            'scales': list(self.scales),
            'ratios': list(self.ratios),
            'stride': self.stride,
        }

    def find(self, image: np.ndarray, image_id: int, file_name: str) -> FoundBoxes:
        """Lay out the windows, large ones first."""
        height, width = image.shape[:2]
        boxes = np.concatenate(
            [
                self._slide(scale, ratio, height, width)
                for scale in self.scales
                for ratio in self.ratios
            ]
        )
        return FoundBoxes(boxes, np.ones(len(boxes)))

    def _slide(self, scale: float, ratio: float, height: int, width: int) -> np.ndarray:
        side = scale * min(height, width)
        window_height = min(max(round(side * ratio**0.5), 1), height)
        window_width = min(max(round(side / ratio**0.5), 1), width)
        tops = self._starts(height, window_height)
        lefts = self._starts(width, window_width)
        y, x = (grid.ravel() for grid in np.meshgrid(tops, lefts, indexing='ij'))
        return np.stack([x, y, x + window_width, y + window_height], axis=1)

    def _starts(self, length: int, window: int) -> np.ndarray:
        """Evenly spread starts, from one border to the other."""
        number = count_windows(length, window, self.stride * window)
        return np.round(np.linspace(0, length - window, number))
