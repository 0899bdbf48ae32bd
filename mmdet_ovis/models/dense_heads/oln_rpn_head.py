"""Region proposals by localization quality instead of classification.

Source: OLN, "Learning Open-World Object Proposals without Learning to Classify" (Kim et
al., RA-L 2022), section III-B.
"""

from __future__ import annotations

import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.models.task_modules.prior_generators import anchor_inside_flags
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import cat_boxes, get_box_tensor
from mmdet.utils import ConfigType, InstanceList, OptInstanceList
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..layers.localization_quality import (
    box_iou,
    centerness,
    get_localization_quality,
)


@MODELS.register_module()
class OlnRPNHead(RPNHead):
    """RPN that learns how well an anchor is placed, not whether it is an object.

    A classifier learns that unlabelled objects are background. This head learns, from
    anchors on labelled objects, to predict the box (sides at distances from the anchor
    centre) and the quality of the anchor, and ranks its proposals by that quality. The
    classification branch is there with weight 0, as in the original, so that its
    checkpoints fit.

    Features are normalized to length 1 over the channels before the three branches.
    Needs one anchor a location, ``bbox_coder=dict(type='TBLRBBoxCoder',
    normalizer=1.0)`` and ``reg_decoded_bbox=True`` with an IoU loss.

    Args:
        loss_objectness (dict): Loss of the quality, on sigmoids.
        objectness_type (str): Quality that is learnt: ``'Centerness'`` of the anchor
            centre in the object, or ``'BoxIoU'`` of anchor and object.
        legacy_valid_test (bool): Leave out the box loss of objects whose box touches
            x = 0 or y = 0, as the released code does by mistake. By default only
            anchors whose centre is outside their object are left out.
        train_cfg (dict, optional): Beside those of ``RPNHead`` it takes
            ``objectness_assigner`` and ``objectness_sampler``.
        **kwargs: Arguments of :class:`mmdet.models.dense_heads.RPNHead`.

    Raises:
        ValueError: If ``objectness_type`` is unknown, or there is not exactly one
            anchor a location.
    """

    def __init__(
        self,
        *args,
        loss_objectness: ConfigType,
        objectness_type: str = 'Centerness',
        legacy_valid_test: bool = False,
        train_cfg: ConfigType | None = None,
        **kwargs,
    ) -> None:
        super().__init__(*args, train_cfg=train_cfg, **kwargs)
        if self.num_base_priors != 1:
            raise ValueError(
                f'OlnRPNHead needs one anchor a location, not {self.num_base_priors}; '
                'set one scale and one ratio in anchor_generator'
            )
        self.loss_objectness = MODELS.build(loss_objectness)
        self.objectness_quality = get_localization_quality(objectness_type)
        self.legacy_valid_test = legacy_valid_test
        if train_cfg:
            self.objectness_assigner = TASK_UTILS.build(train_cfg.objectness_assigner)
            self.objectness_sampler = TASK_UTILS.build(
                train_cfg.objectness_sampler, default_args=dict(context=self)
            )

    def _init_layers(self) -> None:
        super()._init_layers()
        self.rpn_obj = nn.Conv2d(self.feat_channels, self.num_base_priors, 1)

    def forward_single(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict on one level.

        Args:
            x (Tensor): (B, C, H, W) features.

        Returns:
            tuple[Tensor, Tensor, Tensor]: Logits of the class (B, 1, H, W), encoded
            boxes (B, 4, H, W) and logits of the quality (B, 1, H, W).
        """
        x = nn.functional.normalize(self.rpn_conv(x).relu(), dim=1)
        return self.rpn_cls(x), self.rpn_reg(x), self.rpn_obj(x)

    def loss_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        objectnesses: list[Tensor],
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: OptInstanceList = None,
    ) -> dict:
        """Compute the losses from the outputs of :meth:`forward_single` by level.

        Returns:
            dict: ``loss_rpn_cls``, ``loss_rpn_bbox`` (lists over levels) and
            ``loss_rpn_obj``, all divided by the number of anchors that the box loss
            sampled.
        """
        losses = super().loss_by_feat(
            cls_scores,
            bbox_preds,
            batch_gt_instances,
            batch_img_metas,
            batch_gt_instances_ignore,
        )
        sampled = self._raw_positive_infos['sampling_results']  # of the box loss
        targets, weights = self.objectness_targets(
            [level.shape[-2:] for level in objectnesses],
            batch_gt_instances,
            batch_img_metas,
            batch_gt_instances_ignore,
            objectnesses[0].device,
        )
        logits = torch.cat([level.flatten(1) for level in objectnesses], dim=1)
        losses['loss_rpn_obj'] = self.loss_objectness(
            logits.sigmoid(),
            targets,
            weights,
            avg_factor=max(1, sum(result.avg_factor for result in sampled)),
        )
        return losses

    def objectness_targets(
        self,
        featmap_sizes: list[tuple[int, int]],
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: OptInstanceList,
        device: torch.device,
    ) -> tuple[Tensor, Tensor]:
        """Sample anchors for the quality branch, and say what they should predict.

        Args:
            featmap_sizes (list[tuple[int, int]]): Height and width of each level.
            batch_gt_instances (list[InstanceData]): With ``bboxes``, one an image.
            batch_img_metas (list[dict]): With ``img_shape`` and ``pad_shape``.
            batch_gt_instances_ignore (list[InstanceData], optional): Crowds.
            device (torch.device): Where the anchors are made.

        Returns:
            tuple[Tensor, Tensor]: Targets in [0, 1] and weights (1 where an anchor was
            sampled, else 0), both (B, A) over the anchors of all levels.
        """
        anchors, flags = self.get_anchors(featmap_sizes, batch_img_metas, device)
        ignored = batch_gt_instances_ignore or [None] * len(batch_img_metas)
        results = [
            self._objectness_targets_single(
                get_box_tensor(cat_boxes(anchors[i])), torch.cat(flags[i]), *image
            )
            for i, image in enumerate(
                zip(batch_gt_instances, ignored, batch_img_metas, strict=True)
            )
        ]
        targets, weights = zip(*results, strict=True)
        return torch.stack(targets), torch.stack(weights)

    def _objectness_targets_single(
        self,
        anchors: Tensor,
        valid_flags: Tensor,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None,
        img_meta: dict,
    ) -> tuple[Tensor, Tensor]:
        inside = anchor_inside_flags(
            anchors,
            valid_flags,
            img_meta['img_shape'][:2],
            self.train_cfg['allowed_border'],
        ).nonzero()[:, 0]
        priors = InstanceData(priors=anchors[inside])
        assigned = self.objectness_assigner.assign(
            priors, gt_instances, gt_instances_ignore
        )
        sampled = self.objectness_sampler.sample(assigned, priors, gt_instances)
        targets, weights = anchors.new_zeros(2, len(anchors))
        weights[inside[sampled.neg_inds]] = 1.0
        weights[inside[sampled.pos_inds]] = 1.0
        targets[inside[sampled.pos_inds]] = self.objectness_quality(
            sampled.pos_priors, get_box_tensor(sampled.pos_gt_bboxes)
        )
        return targets, weights

    def _get_targets_single(self, flat_anchors: Tensor, *args, **kwargs) -> tuple:
        results = super()._get_targets_single(flat_anchors, *args, **kwargs)
        bbox_targets, bbox_weights = results[2:4]
        rows = bbox_weights.any(dim=1).nonzero()[:, 0]
        if self.legacy_valid_test:
            valid = (bbox_targets[rows] > 0).all(dim=1)
        else:
            sides = self.bbox_coder.encode(
                get_box_tensor(flat_anchors)[rows], bbox_targets[rows]
            )
            valid = centerness(sides) > 0
        bbox_weights[rows[~valid]] = 0.0
        return results

    def score_boxes(self, x: tuple[Tensor, ...], boxes: Tensor) -> Tensor:
        """Look up the quality at the anchor that overlaps each given box most.

        Args:
            x (tuple[Tensor]): Feature maps of one image, (1, C, H, W) each.
            boxes (Tensor): (n, 4) xyxy in pixels of the network input.

        Returns:
            Tensor: (n,) in [0, 1].
        """
        logits = boxes.new_zeros(len(boxes))
        best = boxes.new_full((len(boxes),), -1.0)
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        generator = self.prior_generator
        for level, stride, bases in zip(
            self(x)[2], generator.strides, generator.base_anchors, strict=True
        ):
            # Of equal anchors on a grid none overlaps a box more than the nearest one.
            base = bases[0].to(boxes)
            steps = boxes.new_tensor(stride)
            last = boxes.new_tensor(level.shape[:-3:-1]) - 1  # column, row
            cells = (centers - (base[:2] + base[2:]) / 2) / steps
            cells = cells.round().clamp(min=0).minimum(last)
            ious = box_iou(base + (cells * steps).repeat(1, 2), boxes)
            columns, rows = cells.long().T
            logits = torch.where(ious > best, level[0, 0, rows, columns], logits)
            best = ious.maximum(best)
        return logits.sigmoid()

    def _predict_by_feat_single(
        self,
        cls_score_list: list[Tensor],
        bbox_pred_list: list[Tensor],
        score_factor_list: list[Tensor],
        *args,
        **kwargs,
    ) -> InstanceData:
        """Rank by quality: its logits take the place of those of the class."""
        return super()._predict_by_feat_single(
            score_factor_list, bbox_pred_list, score_factor_list, *args, **kwargs
        )
