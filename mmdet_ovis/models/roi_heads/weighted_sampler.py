"""How the weights of instances reach the heads of a detector."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.models.task_modules.assigners import AssignResult
from mmdet.models.task_modules.samplers import RandomSampler, SamplingResult
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor


@TASK_UTILS.register_module()
class WeightedRandomSampler(RandomSampler):
    """``RandomSampler`` that passes on the weights of instances.

    What is sampled does not depend on the weights. The sampling result gets
    ``pos_weights``, float32 (num_pos,): for each positive the weight of the instance
    that it is assigned to, from ``gt_instances.loss_weights``.

    Raises:
        ValueError: In :meth:`sample`, if instances have no weights.
    """

    def sample(
        self,
        assign_result: AssignResult,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        **kwargs,
    ) -> SamplingResult:
        """Sample, see mmdet's ``BaseSampler``."""
        if 'loss_weights' not in gt_instances:
            raise ValueError(
                'WeightedRandomSampler needs gt_instances.loss_weights; put '
                "dict(type='LoadInstanceFlags') behind LoadAnnotations in the training "
                "pipeline and dict(type='PackInstanceInputs') at its end"
            )
        result = super().sample(assign_result, pred_instances, gt_instances, **kwargs)
        result.pos_weights = gt_instances.loss_weights[result.pos_assigned_gt_inds]
        return result


def sampled_weights(sampling_results: Sequence[SamplingResult]) -> list[Tensor]:
    """Collect what :class:`WeightedRandomSampler` has put on its results.

    Returns:
        list[Tensor]: ``pos_weights`` of each image, float32 (num_pos,).

    Raises:
        ValueError: If another sampler made the results.
    """
    for result in sampling_results:
        if not hasattr(result, 'pos_weights'):
            raise ValueError(
                'weighted heads need the weights of sampled instances; set '
                "train_cfg.rcnn.sampler.type='WeightedRandomSampler'"
            )
    return [result.pos_weights for result in sampling_results]
