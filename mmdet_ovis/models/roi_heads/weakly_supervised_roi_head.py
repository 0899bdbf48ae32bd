"""RoI head that finds its own training boxes among the proposals."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmdet.structures.bbox import bbox2roi, bbox_overlaps
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor


@MODELS.register_module()
class WeaklySupervisedRoIHead(StandardRoIHead):
    """RoI head that learns from the words of an image.

    Of the ground truth only ``gt_instances.labels`` is read, each label once; boxes, if
    there are any, are not. The box head has :class:`~.bbox_heads.WSDDNMixin`.

    The best proposal of each word takes the place of an annotated box in
    ``train_cfg.assigner``, and ``train_cfg.sampler`` chooses samples: ``PseudoSampler``
    takes all. Losses are ``loss_image``, ``loss_refine0`` and so on, and ``loss_bbox``.

    Args:
        **kwargs: Arguments of ``StandardRoIHead``, without a mask head.

    Raises:
        ValueError: If there is a mask head, or the sampler adds boxes to the proposals.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.with_mask:
            raise ValueError(f'{type(self).__name__} learns boxes only: mask_head=None')
        if getattr(self.bbox_sampler, 'add_gt_as_proposals', False):
            raise ValueError(
                f'the training boxes of {type(self).__name__} are proposals already: '
                'train_cfg.rcnn.sampler.add_gt_as_proposals=False'
            )

    def loss(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: InstanceList,
        batch_data_samples: SampleList,
    ) -> dict[str, Tensor]:
        """Compute the losses.

        Args:
            x (tuple[Tensor]): Feature maps.
            rpn_results_list (list[InstanceData]): Proposals: ``bboxes`` (n, 4) xyxy.
            batch_data_samples (list[DetDataSample]): With ``gt_instances.labels``.

        Returns:
            dict[str, Tensor]: Scalars.

        Raises:
            ValueError: If a label is not one of the classes.
        """
        proposals = [result.bboxes for result in rpn_results_list]
        words = [self._words(sample) for sample in batch_data_samples]
        rois = bbox2roi(proposals)
        found = self._bbox_forward(x, rois)
        numbers = [len(boxes) for boxes in proposals]
        cls_scores = found['cls_score'].split(numbers)
        present = [self._mark(labels) for labels in words]
        losses = {'loss_image': self.bbox_head.image_loss(cls_scores, present)}
        if not len(rois):
            # RoI extractors of one level do without the features then, but processes
            # that train together wait for all gradients.
            losses['loss_image'] = losses['loss_image'] + sum(
                0 * features.float().mean() for features in x
            )
        for stage in range(self.bbox_head.num_refinements):
            sampled = self._mine(proposals, cls_scores, words, stage)
            losses[f'loss_refine{stage}'] = self.bbox_head.refinement_loss(
                cls_scores, stage, sampled, self.train_cfg
            )
        sampled = self._mine(
            proposals, cls_scores, words, self.bbox_head.num_refinements
        )
        losses['loss_bbox'] = self.bbox_head.regression_loss(
            found['bbox_pred'].split(numbers),
            rois.split(numbers),
            sampled,
            self.train_cfg,
        )
        return losses

    def _words(self, sample: DetDataSample) -> Tensor:
        labels = torch.unique(sample.gt_instances.labels)
        if (
            len(labels)
            and not 0 <= labels[0] <= labels[-1] < self.bbox_head.num_classes
        ):
            raise ValueError(
                f'{sample.metainfo.get("img_path", "an image")} has the labels '
                f'{labels.tolist()}, but the head has '
                f'{self.bbox_head.num_classes} classes; roi_head.bbox_head.num_classes '
                'is the number of words of the vocabulary'
            )
        return labels

    def _mark(self, labels: Tensor) -> Tensor:
        present = labels.new_zeros(self.bbox_head.num_classes, dtype=torch.bool)
        present[labels] = True
        return present

    @torch.no_grad()
    def _mine(
        self,
        proposals: Sequence[Tensor],
        cls_scores: Sequence[Tensor],
        words: Sequence[Tensor],
        stage: int,
    ) -> list[SamplingResult]:
        """Sample around the best proposals by the scores of a stage.

        Returns:
            list[SamplingResult]: One an image, with ``sample_weights`` (samples,)
            float32: the score of the best proposal that overlaps a sample most.
        """
        results = []
        for boxes, logits, labels in zip(proposals, cls_scores, words, strict=True):
            scores = self.bbox_head.stage_scores(logits, stage)
            best = best_proposals(boxes, scores, labels)
            priors = InstanceData(priors=boxes)
            assigned = self.bbox_assigner.assign(priors, best, None)
            result = self.bbox_sampler.sample(assigned, priors, best)
            result.sample_weights = _weigh(result, best)
            results.append(result)
        return results


def best_proposals(boxes: Tensor, scores: Tensor, labels: Tensor) -> InstanceData:
    """Take the best proposal of each word.

    Args:
        boxes (Tensor): (n, 4) xyxy.
        scores (Tensor): (n, C).
        labels (Tensor): (m,) int64, the words of the image.

    Returns:
        InstanceData: ``bboxes`` (m, 4), ``labels`` (m,) and ``scores`` (m,); nothing if
        there are no proposals.

    Examples:
        >>> boxes = torch.tensor([[0.0, 0, 4, 4], [2, 2, 8, 8]])
        >>> scores = torch.tensor([[0.1, 0.3], [0.2, 0.1]])
        >>> best_proposals(boxes, scores, torch.tensor([1])).bboxes.tolist()
        [[0.0, 0.0, 4.0, 4.0]]
    """
    if not len(boxes):
        labels = labels[:0]
        return InstanceData(bboxes=boxes, labels=labels, scores=boxes.new_zeros(0))
    values, places = scores[:, labels].max(dim=0)
    return InstanceData(bboxes=boxes[places], labels=labels, scores=values)


def _weigh(result: SamplingResult, best: InstanceData) -> Tensor:
    """Weights (samples,); without a word in the image nothing is learnt."""
    samples = torch.cat([result.pos_priors, result.neg_priors])
    if not len(best) or not len(samples):
        return samples.new_zeros(len(samples))
    nearest = bbox_overlaps(samples, best.bboxes).argmax(dim=1)
    return best.scores[nearest].to(samples.dtype)
