"""Mask head that learns less from instances of less weight."""

from __future__ import annotations

import torch
from mmdet.models.losses import CrossEntropyLoss
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.utils import ConfigType, InstanceList
from torch import Tensor

from ...losses.weighted_mask_loss import weighted_mask_cross_entropy
from ..weighted_sampler import sampled_weights


@MODELS.register_module()
class WeightedFCNMaskHead(FCNMaskHead):
    """``FCNMaskHead`` whose loss is a weighted mean over positives.

    Takes the ``pos_weights`` of ``WeightedRandomSampler``. With all weights 1 the loss
    is that of ``FCNMaskHead``.

    Args:
        **kwargs: Arguments of ``FCNMaskHead``. ``loss_mask`` has to be its default, a
            ``CrossEntropyLoss`` with ``use_mask``.

    Raises:
        ValueError: If ``loss_mask`` is another one.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not (
            isinstance(self.loss_mask, CrossEntropyLoss) and self.loss_mask.use_mask
        ):
            raise ValueError(
                'WeightedFCNMaskHead weights the binary cross entropy of masks: '
                "loss_mask=dict(type='CrossEntropyLoss', use_mask=True), not "
                f'{type(self.loss_mask).__name__}'
            )

    def loss_and_target(
        self,
        mask_preds: Tensor,
        sampling_results: list[SamplingResult],
        batch_gt_instances: InstanceList,
        rcnn_train_cfg: ConfigType,
    ) -> dict:
        """Compute loss and targets, see mmdet's ``FCNMaskHead``."""
        result = super().loss_and_target(
            mask_preds, sampling_results, batch_gt_instances, rcnn_train_cfg
        )
        if len(mask_preds) == 0:
            return result
        labels = torch.cat([sampled.pos_gt_labels for sampled in sampling_results])
        if self.class_agnostic:
            labels = torch.zeros_like(labels)
        loss = weighted_mask_cross_entropy(
            mask_preds,
            result['mask_targets'],
            labels,
            torch.cat(sampled_weights(sampling_results)),
        )
        # In place of the unweighted loss, which costs next to nothing.
        result['loss_mask']['loss_mask'] = self.loss_mask.loss_weight * loss
        return result
