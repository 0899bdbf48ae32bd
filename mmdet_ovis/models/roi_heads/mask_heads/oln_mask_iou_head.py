"""Mask scoring for OLN."""

from __future__ import annotations

from mmdet.models.roi_heads.mask_heads import MaskIoUHead
from mmdet.registry import MODELS
from mmdet.utils import InstanceList
from torch import Tensor


@MODELS.register_module()
class OlnMaskIoUHead(MaskIoUHead):
    """Mask IoU head whose estimate is averaged with OLN's two box qualities.

    OLN (Kim et al., RA-L 2022, section III-B) ranks masks by the geometric mean of
    centerness, box IoU and mask IoU. The masks' scores are a field of their own,
    ``mask_scores``, so that boxes keep theirs.
    """

    def predict_by_feat(
        self, mask_iou_preds: tuple[Tensor, ...], results_list: InstanceList
    ) -> InstanceList:
        """Add ``mask_scores`` to the detections.

        Args:
            mask_iou_preds (tuple[Tensor]): (n, 1) estimates, one tensor an image.
            results_list (list[InstanceData]): With ``scores`` (n,), the square root of
                centerness times box IoU.

        Returns:
            list[InstanceData]: The same, each with ``mask_scores`` (n,) in [0, 1].
        """
        for results, mask_ious in zip(results_list, mask_iou_preds, strict=True):
            mask_iou = mask_ious[:, 0].clamp(0, 1)
            results.mask_scores = (results.scores.square() * mask_iou).pow(1 / 3)
        return results_list
