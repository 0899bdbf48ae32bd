"""RoI heads that rank by localization quality instead of classification.

Source: OLN, "Learning Open-World Object Proposals without Learning to Classify" (Kim et
al., RA-L 2022), section III-B; mask scoring after Huang et al., CVPR 2019.
"""

from __future__ import annotations

import torch
from mmdet.models.roi_heads import MaskScoringRoIHead, StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import ConfigType, InstanceList
from torch import Tensor


@MODELS.register_module()
class OlnRoIHead(StandardRoIHead):
    """RoI head that scores a box by the qualities of its proposal and of itself.

    The score is the geometric mean of the RPN's score (centerness) and of the quality
    that ``Shared2FCBBoxScoreHead`` estimates (box IoU).
    """

    def _bbox_forward(self, x: tuple[Tensor, ...], rois: Tensor) -> dict:
        """Extract features of regions (n, 5) and run the box head."""
        bbox_feats = self.bbox_roi_extractor(
            x[: self.bbox_roi_extractor.num_inputs], rois
        )
        cls_score, bbox_pred, bbox_score = self.bbox_head(bbox_feats)
        return dict(
            cls_score=cls_score,
            bbox_pred=bbox_pred,
            bbox_score=bbox_score,
            bbox_feats=bbox_feats,
        )

    def bbox_loss(
        self, x: tuple[Tensor, ...], sampling_results: list[SamplingResult]
    ) -> dict:
        """Run the box head on sampled regions and compute its losses."""
        rois = bbox2roi([result.priors for result in sampling_results])
        bbox_results = self._bbox_forward(x, rois)
        losses = self.bbox_head.loss_and_target(
            cls_score=bbox_results['cls_score'],
            bbox_pred=bbox_results['bbox_pred'],
            bbox_score=bbox_results['bbox_score'],
            rois=rois,
            sampling_results=sampling_results,
            rcnn_train_cfg=self.train_cfg,
        )
        return {**bbox_results, 'loss_bbox': losses['loss_bbox']}

    def score_boxes(self, x: tuple[Tensor, ...], boxes: list[Tensor]) -> Tensor:
        """Estimate the quality of given boxes.

        Args:
            x (tuple[Tensor]): Feature maps.
            boxes (list[Tensor]): (n, 4) xyxy, one tensor an image.

        Returns:
            Tensor: (N,) in [0, 1], the images one after the other.
        """
        return self._bbox_forward(x, bbox2roi(boxes))['bbox_score'].sigmoid().flatten()

    def predict_bbox(
        self,
        x: tuple[Tensor, ...],
        batch_img_metas: list[dict],
        rpn_results_list: InstanceList,
        rcnn_test_cfg: ConfigType,
        rescale: bool = False,
    ) -> InstanceList:
        """Detect boxes.

        Args:
            x (tuple[Tensor]): Feature maps.
            batch_img_metas (list[dict]): One an image.
            rpn_results_list (list[InstanceData]): Proposals: ``bboxes`` (n, 4) xyxy and
                ``scores`` (n,) in [0, 1].
            rcnn_test_cfg (ConfigDict): ``score_thr``, ``nms``, ``max_per_img``.
            rescale (bool): Give boxes at the original image size.

        Returns:
            list[InstanceData]: ``bboxes``, ``scores`` and ``labels``, all 0.
        """
        proposals = [result.bboxes for result in rpn_results_list]
        numbers = [len(boxes) for boxes in proposals]
        if not sum(numbers):
            return super().predict_bbox(
                x, batch_img_metas, rpn_results_list, rcnn_test_cfg, rescale
            )
        rois = bbox2roi(proposals)
        bbox_results = self._bbox_forward(x, rois)
        centerness = torch.cat([result.scores for result in rpn_results_list])
        scores = (centerness * bbox_results['bbox_score'].sigmoid().flatten()).sqrt()
        return self.bbox_head.predict_by_feat(
            rois=rois.split(numbers),
            cls_scores=scores.split(numbers),
            bbox_preds=bbox_results['bbox_pred'].split(numbers),
            batch_img_metas=batch_img_metas,
            rcnn_test_cfg=rcnn_test_cfg,
            rescale=rescale,
        )


@MODELS.register_module()
class OlnMaskRoIHead(OlnRoIHead, MaskScoringRoIHead):
    """OLN with masks, each scored by an estimate of its IoU.

    Needs ``mask_iou_head=dict(type='OlnMaskIoUHead', num_classes=1)``; boxes keep their
    ``scores``, masks get ``mask_scores``.

    Args:
        mask_iou_head (dict): Config of the head that estimates the IoU of a mask.
        **kwargs: Arguments of ``StandardRoIHead``.
    """
