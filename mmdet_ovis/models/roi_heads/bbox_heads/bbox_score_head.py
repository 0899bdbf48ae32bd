"""Box head that judges how well a proposal is placed.

Source: OLN, "Learning Open-World Object Proposals without Learning to Classify" (Kim et
al., RA-L 2022), section III-B.
"""

from __future__ import annotations

import torch
from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.structures.bbox import get_box_tensor
from mmdet.utils import ConfigType, InstanceList
from torch import Tensor, nn

from ...layers.localization_quality import get_localization_quality


@MODELS.register_module()
class Shared2FCBBoxScoreHead(Shared2FCBBoxHead):
    """``Shared2FCBBoxHead`` with a third branch, the localization quality.

    Only proposals on labelled objects teach it, so an unlabelled object is no negative.
    The classification branch stays, with weight 0 in OLN's configs.

    Args:
        loss_bbox_score (dict): Loss of the quality, on sigmoids.
        bbox_score_type (str): Quality that is learnt: ``'BoxIoU'`` of proposal and
            object, or ``'Centerness'`` of the proposal's centre in the object.
        **kwargs: Arguments of mmdet's ``Shared2FCBBoxHead``.

    Raises:
        ValueError: If ``bbox_score_type`` is unknown.
    """

    def __init__(
        self,
        *args,
        loss_bbox_score: ConfigType,
        bbox_score_type: str = 'BoxIoU',
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.loss_bbox_score = MODELS.build(loss_bbox_score)
        self.bbox_score_quality = get_localization_quality(bbox_score_type)
        self.fc_bbox_score = nn.Linear(self.fc_out_channels, 1)
        self.init_cfg += [
            dict(type='Normal', std=0.01, override=dict(name='fc_bbox_score'))
        ]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge and refine regions.

        Args:
            x (Tensor): (N, C, h, w) features of N regions.

        Returns:
            tuple[Tensor, Tensor, Tensor]: Logits of the class (N, classes + 1), encoded
            boxes (N, 4) and logits of the quality (N, 1).
        """
        x = x.flatten(1)
        for fc in self.shared_fcs:
            x = self.relu(fc(x))
        return self.fc_cls(x), self.fc_reg(x), self.fc_bbox_score(x)

    def loss_and_target(
        self,
        *args,
        bbox_score: Tensor,
        sampling_results: list[SamplingResult],
        **kwargs,
    ) -> dict:
        """Compute the losses of all three branches.

        Args:
            *args: As for ``BBoxHead.loss_and_target``.
            bbox_score (Tensor): (N, 1) logits of the quality of all sampled regions.
            sampling_results (list[SamplingResult]): One an image.
            **kwargs: As for ``BBoxHead.loss_and_target``.

        Returns:
            dict: ``loss_bbox`` with the losses, ``loss_bbox_score`` among them, and
            ``bbox_targets``.
        """
        result = super().loss_and_target(
            *args, sampling_results=sampling_results, **kwargs
        )
        targets, weights = self.bbox_score_targets(sampling_results)
        result['loss_bbox']['loss_bbox_score'] = self.loss_bbox_score(
            bbox_score.sigmoid().flatten(),
            targets,
            weights,
            avg_factor=max(1, len(targets)),
        )
        return result

    def bbox_score_targets(
        self, sampling_results: list[SamplingResult]
    ) -> tuple[Tensor, Tensor]:
        """Say what the quality branch should predict.

        Returns:
            tuple[Tensor, Tensor]: Targets in [0, 1] and weights (1 for proposals on an
            object, 0 for all others), both (N,), positives before negatives in each
            image.
        """
        targets, weights = [], []
        for result in sampling_results:
            priors = get_box_tensor(result.pos_priors)
            quality = self.bbox_score_quality(
                priors, get_box_tensor(result.pos_gt_bboxes)
            )
            nothing = priors.new_zeros(len(result.neg_priors))
            targets += [quality, nothing]
            weights += [torch.ones_like(quality), nothing]
        return torch.cat(targets), torch.cat(weights)

    def predict_by_feat(
        self, rois: tuple[Tensor, ...], cls_scores: tuple[Tensor, ...], *args, **kwargs
    ) -> InstanceList:
        """Make detections, as ``BBoxHead.predict_by_feat`` does.

        Args:
            rois (tuple[Tensor]): (n, 5) regions, one tensor an image.
            cls_scores (tuple[Tensor]): (n,) scores in [0, 1] in place of class logits.
            *args: As for ``BBoxHead.predict_by_feat``.
            **kwargs: As for ``BBoxHead.predict_by_feat``.
        """
        # Their softmax is (score, 1 - score): the object, and the background.
        logits = tuple(
            torch.stack([scores, 1 - scores], dim=1).clamp(min=1e-12).log()
            for scores in cls_scores
        )
        return super().predict_by_feat(rois, logits, *args, **kwargs)
