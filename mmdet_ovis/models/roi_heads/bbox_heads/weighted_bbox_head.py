"""Box heads that learn less from instances of less weight."""

from __future__ import annotations

import torch
from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.utils import ConfigType

from ..weighted_sampler import sampled_weights


class WeightedInstancesMixin:
    """Weights classification and box loss of positives by their instance.

    Stands before a box head of mmdet among the bases of a class; takes the
    ``pos_weights`` of ``WeightedRandomSampler``. Negatives keep weight 1. The
    normalisers are mmdet's: the classification loss is divided by the number of samples
    with a weight above 0, the box loss by the number of samples. The proposals of an
    instance of weight 0 are neither positive nor negative: they add no gradient.
    """

    def get_targets(
        self,
        sampling_results: list[SamplingResult],
        rcnn_train_cfg: ConfigType,
        concat: bool = True,
    ) -> tuple:
        """Compute targets and weights, see mmdet's ``BBoxHead``."""
        targets = super().get_targets(sampling_results, rcnn_train_cfg, concat=False)
        _, label_weights, _, bbox_weights = targets
        for weights, of_labels, of_boxes in zip(
            sampled_weights(sampling_results), label_weights, bbox_weights, strict=True
        ):
            num_pos = len(weights)  # positives stand first
            of_labels[:num_pos] *= weights
            of_boxes[:num_pos] *= weights[:, None]
        return tuple(map(torch.cat, targets)) if concat else targets


@MODELS.register_module()
class WeightedShared2FCBBoxHead(WeightedInstancesMixin, Shared2FCBBoxHead):
    """``Shared2FCBBoxHead`` with :class:`WeightedInstancesMixin`."""
