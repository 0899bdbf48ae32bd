"""Masks without looking at the pixels: the box, or what is activated in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from .base import CropMask, CropSegmenter, CropTask
from .crops import grow_map


@TASK_UTILS.register_module()
class BoxSegmenter(CropSegmenter):
    """Fill the box."""

    name = 'box'
    fills_boxes = True

    @property
    def parameters(self) -> dict[str, Any]:
        """There are none."""
        return {'name': self.name}

    def segment(self, tasks: Sequence[CropTask]) -> list[CropMask]:
        """Fill the boxes."""
        return [CropMask(_fill(task)) for task in tasks]


@TASK_UTILS.register_module()
class PromptSegmenter(CropSegmenter):
    """Take the activated pixels of the box as they are."""

    name = 'prompt'

    @property
    def parameters(self) -> dict[str, Any]:
        """There are none."""
        return {'name': self.name}

    def segment(self, tasks: Sequence[CropTask]) -> list[CropMask]:
        """Cut the prompts at the boxes."""
        return [CropMask(active_in_box(task)) for task in tasks]


def active_in_box(task: CropTask) -> np.ndarray:
    """Activated pixels of the box of a task, (H, W) bool."""
    return _fill(task) & (grow_map(task.prompt, task.image.shape[:2]) >= 0.5)


def _fill(task: CropTask) -> np.ndarray:
    x1, y1, x2, y2 = task.box
    mask = np.zeros(task.image.shape[:2], bool)
    mask[y1:y2, x1:x2] = True
    return mask
