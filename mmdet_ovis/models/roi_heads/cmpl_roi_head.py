"""RoI head that labels regions with words, and learns from such labels.

Source: Huynh et al., *Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling* (CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from ...utils.settings import check_choice, check_keys, from_settings
from ..layers.mask_targets import TARGET_RULES, crop_mask_targets
from ..layers.vocabulary_mixin import InstalledVocabulary
from .bbox_heads import EmbeddingBBoxHead
from .mask_heads import NoisyFCNMaskHead
from .region_labelling import Alignment, RegionLabellingMixin

BACKGROUNDS = ('own', 'first_class')
LABELLED_OBJECTS = ('ignored', 'classified')


class PseudoLosses(NamedTuple):
    """Losses of pseudo instances.

    Attributes:
        losses (dict[str, Tensor]): ``loss_cls``, ``loss_bbox``, ``loss_mask`` and
            ``acc``, not weighed yet.
        sigma (Tensor): (N, h, w) levels of noise of the positives.
    """

    losses: dict[str, Tensor]
    sigma: Tensor


@MODELS.register_module()
class CMPLRoIHead(RegionLabellingMixin, StandardRoIHead):
    """RoI head of teachers and students of cross-modal pseudo labels.

    As a teacher it labels regions (:meth:`label_regions`), as a student it learns from
    such labels (:meth:`pseudo_loss`). Everything else is ``StandardRoIHead``.

    Args:
        alignment (Mapping, optional): Arguments of
            :class:`.region_labelling.Alignment`.
        pseudo_train_cfg (Mapping, optional): ``assigner`` and ``sampler`` for pseudo
            instances. Defaults to those of ``train_cfg``, with
            ``LabelledObjectAssigner``, and without pseudo boxes among the samples,
            which may be wrong.
        pseudo_targets (str): Rule of
            :func:`~mmdet_ovis.models.layers.crop_mask_targets`. Defaults to
            ``'threshold'``.
        pseudo_background (str): What negatives are in the caption vocabulary:
            ``'own'``: the background; ``'first_class'``: its first class, which is
            never a positive, as in the published code. Defaults to ``'own'``.
        labelled_objects (str): What annotated objects are to the caption vocabulary:
            ``'ignored'``: neither positive nor negative; ``'classified'``: positives of
            what they are, so that words learn to be told from annotated classes.
            Their boxes are learnt with them, their masks are not. Defaults to
            ``'ignored'``.
        unlabelled_neg_weight (float): Factor of the weight of negatives in images that
            nobody annotated, where any region may be an object. Defaults to 0.5.
        **kwargs: Arguments of ``StandardRoIHead``: an ``EmbeddingBBoxHead`` and a
            ``NoisyFCNMaskHead``, among others. ``ignore_unlabelled_neg`` of the box
            head spares negatives of annotated images alone: pseudo losses take no
            notice of it.

    Raises:
        ValueError: If an argument is out of its range, or a head is of another kind.
    """

    def __init__(
        self,
        *args,
        alignment: Mapping[str, Any] | None = None,
        pseudo_train_cfg: Mapping[str, Any] | None = None,
        pseudo_targets: str = 'threshold',
        pseudo_background: str = 'own',
        labelled_objects: str = 'ignored',
        unlabelled_neg_weight: float = 0.5,
        **kwargs,
    ) -> None:
        check_choice('pseudo_targets', pseudo_targets, TARGET_RULES)
        check_choice('pseudo_background', pseudo_background, BACKGROUNDS)
        check_choice('labelled_objects', labelled_objects, LABELLED_OBJECTS)
        if not 0 <= unlabelled_neg_weight <= 1:
            raise ValueError(
                f'unlabelled_neg_weight is in [0, 1], not {unlabelled_neg_weight}'
            )
        super().__init__(*args, **kwargs)
        _need(self.bbox_head, EmbeddingBBoxHead, 'bbox_head')
        _need(self.mask_head, NoisyFCNMaskHead, 'mask_head')
        self.alignment = from_settings(Alignment, alignment, 'alignment')
        self.pseudo_targets = pseudo_targets
        self.pseudo_background = pseudo_background
        self.labelled_objects = labelled_objects
        self.unlabelled_neg_weight = unlabelled_neg_weight
        if self.train_cfg:
            self._init_pseudo_sampling(pseudo_train_cfg or {})

    def _init_pseudo_sampling(self, cfg: Mapping[str, Any]) -> None:
        check_keys(cfg, ('assigner', 'sampler'), 'pseudo_train_cfg')
        assigner = {**self.train_cfg.assigner, 'type': 'LabelledObjectAssigner'}
        sampler = {**self.train_cfg.sampler, 'add_gt_as_proposals': False}
        self.pseudo_assigner = TASK_UTILS.build({**assigner, **cfg.get('assigner', {})})
        self.pseudo_sampler = TASK_UTILS.build(
            {**sampler, **cfg.get('sampler', {})}, default_args=dict(context=self)
        )

    def pseudo_loss(
        self,
        x: tuple[Tensor, ...],
        proposals: InstanceList,
        pseudo: InstanceList,
        vocabulary: InstalledVocabulary,
        labelled: Sequence[InstanceData | None],
    ) -> PseudoLosses:
        """Compute the losses of pseudo instances.

        Args:
            x (tuple[Tensor]): Feature maps of B images.
            proposals (list[InstanceData]): B times ``bboxes`` (n, 4) xyxy.
            pseudo (list[InstanceData]): B times ``bboxes``, ``labels`` of the caption
                vocabulary and ``masks`` (k, h, w) bool.
            vocabulary (InstalledVocabulary): The caption vocabulary.
            labelled (Sequence[InstanceData]): B times the annotated objects, ``bboxes``
                (m, 4) and ``labels`` (m,) of the caption vocabulary, -1 for what it
                does not have; None for an image that nobody annotated.

        Returns:
            PseudoLosses: All of them 0 where there is nothing to learn from.
        """
        sampled = [
            self._sample(*of_image)
            for of_image in zip(proposals, pseudo, labelled, strict=True)
        ]
        with self.bbox_head.using_installed(vocabulary):
            losses, features = self._pseudo_bbox_loss(x, sampled)
        learnt = self._drawn(sampled, [len(instances) for instances in pseudo])
        targets = torch.cat(
            [
                crop_mask_targets(
                    instances.masks,
                    result.pos_priors[keep],
                    result.pos_assigned_gt_inds[keep],
                    tuple(self._mask_size),
                    self.pseudo_targets,
                )
                for instances, result, keep in zip(pseudo, sampled, learnt, strict=True)
            ]
        )
        features = self._mask_features(x, sampled, features)[torch.cat(learnt)]
        mask_losses, sigma = self.mask_head.noisy_loss(features, targets)
        return PseudoLosses({**losses, **mask_losses}, sigma)

    @property
    def _mask_size(self) -> tuple[int, int]:
        size = self.train_cfg.mask_size
        return (size, size) if isinstance(size, int) else tuple(size)

    def _sample(
        self,
        proposals: InstanceData,
        pseudo: InstanceData,
        labelled: InstanceData | None,
    ) -> SamplingResult:
        """Sample in one image; annotated objects stand behind pseudo instances."""
        priors = InstanceData(priors=proposals.bboxes)
        instances = InstanceData(bboxes=pseudo.bboxes, labels=pseudo.labels)
        left_alone = labelled
        if labelled is not None and self.labelled_objects == 'classified':
            has_name = labelled.labels >= 0
            instances = InstanceData.cat([instances, labelled[has_name]])
            left_alone = labelled[~has_name]
        assigned = self.pseudo_assigner.assign(priors, instances, left_alone)
        result = self.pseudo_sampler.sample(assigned, priors, instances)
        if labelled is None:
            result.neg_weights = result.neg_priors.new_full(
                (len(result.neg_priors),), self.unlabelled_neg_weight
            )
        return result

    def _pseudo_bbox_loss(
        self, x: tuple[Tensor, ...], sampled: list[SamplingResult]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Compute losses of classes and boxes, and the features of the samples."""
        rois = bbox2roi([result.priors for result in sampled])
        found = self._bbox_forward(x, rois)
        targets = self.bbox_head.get_targets(sampled, self.train_cfg)
        scores = found['cls_score']
        if self.pseudo_background == 'first_class':
            scores = scores[:, :-1]
            targets = first_class_as_background(*targets, self.bbox_head.bg_weight)
        losses = self.bbox_head.loss(scores, found['bbox_pred'], rois, *targets)
        # mmdet leaves it out without samples; logs have the same columns all along.
        losses.setdefault('acc', scores.new_zeros(1))
        return losses, found['bbox_feats']

    def _drawn(
        self, sampled: Sequence[SamplingResult], numbers: Sequence[int]
    ) -> list[Tensor]:
        """Mark the positives of pseudo instances, whose masks are learnt."""
        first = 1 if self.pseudo_background == 'first_class' else 0
        return [
            (result.pos_gt_labels >= first) & (result.pos_assigned_gt_inds < number)
            for result, number in zip(sampled, numbers, strict=True)
        ]

    def _mask_features(
        self, x: tuple[Tensor, ...], sampled: Sequence[SamplingResult], features: Tensor
    ) -> Tensor:
        """Take or compute the features of the positives."""
        if self.share_roi_extractor:
            flags = [
                torch.arange(len(result.priors), device=features.device)
                < len(result.pos_priors)
                for result in sampled
            ]
            return features[torch.cat(flags)]
        rois = bbox2roi([result.pos_priors for result in sampled])
        features = self.mask_roi_extractor(
            x[: self.mask_roi_extractor.num_inputs], rois
        )
        return self.shared_head(features) if self.with_shared_head else features


def first_class_as_background(
    labels: Tensor,
    label_weights: Tensor,
    bbox_targets: Tensor,
    bbox_weights: Tensor,
    bg_weight: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Make the first class of a vocabulary stand for the background.

    Args:
        labels (Tensor): (N,) int64; the background is the one above all classes, and
            ``bbox_weights`` tell it apart.
        label_weights (Tensor): (N,).
        bbox_targets (Tensor): (N, 4).
        bbox_weights (Tensor): (N, 4), above 0 for positives.
        bg_weight (float): Weight of negatives.

    Returns:
        tuple[Tensor, Tensor, Tensor, Tensor]: Targets in which negatives have label 0,
        and positives of label 0 are negatives.

    Examples:
        >>> ones = torch.ones(3, 4) * torch.tensor([[1.0], [1.0], [0.0]])
        >>> labels, weights, _, boxes = first_class_as_background(
        ...     torch.tensor([4, 0, 9]), torch.tensor([1.0, 1.0, 0.2]), ones, ones, 0.2)
        >>> labels.tolist(), boxes[:, 0].tolist()
        ([4, 0, 0], [1.0, 0.0, 0.0])
        >>> weights
        tensor([1.0000, 0.2000, 0.2000])
    """
    is_object = (bbox_weights > 0).any(1)
    is_positive = is_object & (labels > 0)
    demoted = is_object & ~is_positive
    return (
        torch.where(is_positive, labels, 0),
        torch.where(demoted, bg_weight, label_weights),
        bbox_targets,
        bbox_weights * is_positive[:, None],
    )


def _need(head: Any, kind: type, name: str) -> None:
    if not isinstance(head, kind):
        raise ValueError(
            f'CMPLRoIHead needs {name}=dict(type={kind.__name__!r}), not '
            f'{type(head).__name__!r}'
        )
