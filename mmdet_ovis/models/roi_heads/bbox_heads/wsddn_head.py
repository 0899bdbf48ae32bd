"""Box heads that learn from the words of an image, without any box.

Sources: WSDDN (H. Bilen, A. Vedaldi, CVPR 2016) for the two streams; OICR, "Multiple
Instance Detection Network with Online Instance Classifier Refinement" (Tang et al.,
CVPR 2017) for the refinements; Mask-free OVIS (VS et al., CVPR 2023), whose proposal
network adds the regression of boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.roi_heads.bbox_heads import BBoxHead, Shared2FCBBoxHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.utils import ConfigType
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn import functional

from ...losses.multiple_instance_loss import multiple_instance_loss, proposal_log_scores


class ClassificationStreams(nn.Module):
    """Linear layers side by side, whose outputs are joined.

    Args:
        in_features (int): Dimension of the features of a proposal.
        num_classes (int): C.
        num_refinements (int): K.
    """

    def __init__(self, in_features: int, num_classes: int, num_refinements: int):
        super().__init__()
        self.in_features = in_features
        self.classes = nn.Linear(in_features, num_classes)
        self.proposals = nn.Linear(in_features, num_classes)
        self.refinements = nn.ModuleList(
            nn.Linear(in_features, num_classes + 1) for _ in range(num_refinements)
        )
        for layer in (self.classes, self.proposals, *self.refinements):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 2 C + K (C + 1)) logits of features (N, in_features)."""
        layers = (self.classes, self.proposals, *self.refinements)
        return torch.cat([layer(x) for layer in layers], dim=1)


class WSDDNMixin:
    """Classifies proposals by two streams, and refines scores and boxes.

    Stands before a box head of mmdet among the bases of a class, whose ``fc_cls`` it
    replaces. One stream compares the classes of a proposal, the other the proposals of
    an image; their product sums up to the probability that the image shows a class,
    which is all that is known in training. Scores are therefore comparable within an
    image only.

    Refinement k is an ordinary classifier with a background. Its targets are the best
    proposals of the words of an image by the scores of the stage before, and what
    overlaps them; each sample weighs as much as the best proposal next to it scores.
    Boxes are regressed, class-agnostically, to the best proposals of the last stage.
    In testing the score is the mean of the refinements, or without any that of the
    streams.

    Args:
        num_refinements (int): K. Defaults to 0.
        bg_weight (float): Weight of the classes that an image does not show, at least
            0. Defaults to 1.0.
        class_agnostic (bool): Detect objects, of whatever class: a box scores by its
            best class, and all have label 0. Else each class has detections of its own,
            which suppress those of the same class only. Defaults to False.
        **kwargs: Arguments of the head. ``loss_cls`` is the loss of the refinements;
            ``reg_class_agnostic`` is True.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        *args,
        num_refinements: int = 0,
        bg_weight: float = 1.0,
        class_agnostic: bool = False,
        **kwargs,
    ) -> None:
        if num_refinements < 0:
            raise ValueError(f'num_refinements is at least 0, not {num_refinements}')
        if bg_weight < 0:
            raise ValueError(f'bg_weight is at least 0, not {bg_weight}')
        if not kwargs.setdefault('reg_class_agnostic', True):
            raise ValueError(
                f'{type(self).__name__} regresses boxes of all classes in the same '
                'way: reg_class_agnostic=True'
            )
        super().__init__(*args, **kwargs)
        self.num_refinements = num_refinements
        self.bg_weight = bg_weight
        self.class_agnostic = class_agnostic
        self.fc_cls = ClassificationStreams(
            self.fc_cls.in_features, self.num_classes, num_refinements
        )

    def log_scores(self, cls_score: Tensor) -> Tensor:
        """Combine the two streams for the proposals of one image.

        Args:
            cls_score (Tensor): (n, 2 C + K (C + 1)) of :meth:`forward`.

        Returns:
            Tensor: (n, C), see
            :func:`~mmdet_ovis.models.losses.proposal_log_scores`.
        """
        number = self.num_classes
        return proposal_log_scores(
            cls_score[:, :number], cls_score[:, number : 2 * number]
        )

    def refinement_logits(self, cls_score: Tensor, stage: int) -> Tensor:
        """Return the (n, C + 1) logits of a refinement, the background last."""
        start = 2 * self.num_classes + stage * (self.num_classes + 1)
        return cls_score[:, start : start + self.num_classes + 1]

    def stage_scores(self, cls_score: Tensor, stage: int) -> Tensor:
        """Score the proposals of one image.

        Args:
            cls_score (Tensor): (n, 2 C + K (C + 1)) of :meth:`forward`.
            stage (int): 0 for the two streams, k for refinement k.

        Returns:
            Tensor: (n, C) float32 in [0, 1].
        """
        if stage == 0:
            return self.log_scores(cls_score).exp()
        logits = self.refinement_logits(cls_score, stage - 1).float()
        return functional.softmax(logits, dim=1)[:, :-1]

    def final_scores(self, cls_score: Tensor) -> Tensor:
        """Score the proposals of one image for testing.

        Returns:
            Tensor: (n, C) float32 in [0, 1].
        """
        # The two streams, stage 0, only count where nothing refines them.
        stages = list(range(1, self.num_refinements + 1)) or [0]
        scores = [self.stage_scores(cls_score, stage) for stage in stages]
        return torch.stack(scores).mean(0)

    def image_loss(
        self, cls_scores: Sequence[Tensor], present: Sequence[Tensor]
    ) -> Tensor:
        """Compute how well the proposals explain the words of their images.

        Args:
            cls_scores (Sequence[Tensor]): Of :meth:`forward`, split by image.
            present (Sequence[Tensor]): (C,) bool for each image.

        Returns:
            Tensor: Scalar: mean over the images that have proposals.
        """
        losses = [
            multiple_instance_loss(self.log_scores(scores), shown, self.bg_weight)
            for scores, shown in zip(cls_scores, present, strict=True)
            if len(scores)
        ]
        if not losses:
            # Processes that train together wait for all gradients.
            return torch.cat(list(cls_scores)).float().sum()
        return torch.stack(losses).mean()

    def refinement_loss(
        self,
        cls_scores: Sequence[Tensor],
        stage: int,
        sampling_results: Sequence[SamplingResult],
        cfg: ConfigType,
    ) -> Tensor:
        """Compute the loss of refinement ``stage`` (from 0).

        Args:
            cls_scores (Sequence[Tensor]): Of :meth:`forward`, split by image.
            stage (int): Which one.
            sampling_results (Sequence[SamplingResult]): Of the best proposals of the
                stage before, with ``sample_weights`` (n,).
            cfg (ConfigDict): ``train_cfg.rcnn``.

        Returns:
            Tensor: Scalar.
        """
        labels, weights, _, _ = self.get_targets(sampling_results, cfg)
        logits = torch.cat(
            [
                self.refinement_logits(scores, stage)[sampled_places(result)]
                for scores, result in zip(cls_scores, sampling_results, strict=True)
            ]
        ).float()
        if not len(logits):
            return logits.sum()
        return self.loss_cls(logits, labels, weights, avg_factor=len(logits))

    def regression_loss(
        self,
        bbox_preds: Sequence[Tensor],
        rois: Sequence[Tensor],
        sampling_results: Sequence[SamplingResult],
        cfg: ConfigType,
    ) -> Tensor:
        """Compute the loss of the boxes.

        Args:
            bbox_preds (Sequence[Tensor]): (n, 4) encoded boxes of each image.
            rois (Sequence[Tensor]): (n, 5) proposals of each image.
            sampling_results (Sequence[SamplingResult]): Of the best proposals of the
                last stage, with ``sample_weights`` (n,).
            cfg (ConfigDict): ``train_cfg.rcnn``.

        Returns:
            Tensor: Scalar.
        """
        places = [sampled_places(result) for result in sampling_results]
        taken = [
            torch.cat([item[place] for item, place in zip(items, places, strict=True)])
            for items in (bbox_preds, rois)
        ]
        targets = self.get_targets(sampling_results, cfg)
        losses = self.loss(None, taken[0].float(), taken[1], *targets)
        return losses['loss_bbox']

    def get_targets(
        self,
        sampling_results: Sequence[SamplingResult],
        rcnn_train_cfg: ConfigType,
        concat: bool = True,
    ) -> tuple:
        """Compute targets and weights, see mmdet's ``BBoxHead``."""
        targets = super().get_targets(sampling_results, rcnn_train_cfg, concat=False)
        _, label_weights, _, bbox_weights = targets
        for result, of_labels, of_boxes in zip(
            sampling_results, label_weights, bbox_weights, strict=True
        ):
            of_labels *= result.sample_weights
            of_boxes *= result.sample_weights[:, None]
        return tuple(map(torch.cat, targets)) if concat else targets

    def _predict_by_feat_single(
        self, roi: Tensor, cls_score: Tensor, bbox_pred: Tensor, *args, **kwargs
    ) -> InstanceData:
        """Make detections of one image, see mmdet's ``BBoxHead``."""
        scores = self.final_scores(cls_score)
        if self.class_agnostic:
            scores = scores.amax(1, keepdim=True)
        rest = (1 - scores.sum(1, keepdim=True)).clamp(min=0)
        # The parent takes the softmax, which of logarithms of a distribution is itself.
        logits = torch.cat([scores, rest], dim=1).log()
        return super()._predict_by_feat_single(
            roi, logits, bbox_pred.float(), *args, **kwargs
        )


def sampled_places(result: SamplingResult) -> Tensor:
    """Places of the samples among the proposals of their image, positives first."""
    return torch.cat([result.pos_inds, result.neg_inds])


@MODELS.register_module()
class WSDDNHead(WSDDNMixin, BBoxHead):
    """``BBoxHead`` with :class:`WSDDNMixin`.

    Stands right on the features of a proposal, such as those of a shared ``res5``,
    which it averages: ``with_avg_pool`` is True.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **{**kwargs, 'with_avg_pool': True})


@MODELS.register_module()
class Shared2FCWSDDNHead(WSDDNMixin, Shared2FCBBoxHead):
    """``Shared2FCBBoxHead`` with :class:`WSDDNMixin`."""
