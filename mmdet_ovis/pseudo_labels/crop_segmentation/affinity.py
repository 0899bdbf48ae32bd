"""Masks that the proposals bring along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS
from pycocotools import mask as mask_api

from ..mask_cleaning import EMPTY_MASK, encode_mask
from .base import CropMask, CropSegmenter, CropTask
from .box import active_in_box


@TASK_UTILS.register_module()
class ProposalMaskSegmenter(CropSegmenter):
    """Take the mask of a proposal: the one that fits the activated pixels best.

    Needs proposals with masks, such as those of ``AffinityProposals``.
    """

    name = 'proposal_mask'
    fills_boxes = True

    @property
    def parameters(self) -> dict[str, Any]:
        """There are none."""
        return {'name': self.name}

    def segment(self, tasks: Sequence[CropTask]) -> list[CropMask]:
        """Choose the mask with the best IoU with the activated pixels of the box.

        Raises:
            ValueError: If proposals have no masks.
        """
        return [self._choose(task) for task in tasks]

    def _choose(self, task: CropTask) -> CropMask:
        proposals = task.proposals
        if proposals is None or (len(proposals) and proposals.masks is None):
            raise ValueError(
                'ProposalMaskSegmenter needs proposals with masks; use '
                'AffinityProposals or FileProposals of a file with masks'
            )
        masks = list(proposals.masks or ())
        active = encode_mask(active_in_box(task))
        if not masks or not mask_api.area(active):
            return CropMask(None, EMPTY_MASK)
        ious = mask_api.iou(masks, [active], [0])[:, 0]
        best = int(np.argmax(ious))
        if ious[best] == 0:
            return CropMask(None, EMPTY_MASK)
        return CropMask(mask_api.decode(masks[best]).astype(bool))
