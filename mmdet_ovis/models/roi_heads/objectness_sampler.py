"""How the objectness of negatives reaches the heads of a detector."""

from __future__ import annotations

from mmdet.models.task_modules.assigners import AssignResult
from mmdet.models.task_modules.samplers import RandomSampler, SamplingResult
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData

from .weighted_sampler import WeightedRandomSampler


class ObjectnessMixin:
    """Passes on the scores of proposals.

    Stands before a sampler of mmdet among the bases of a class. The sampling result
    gets ``neg_scores``, float (num_neg,): the RPN's scores of the negatives.

    Raises:
        ValueError: In :meth:`sample`, if proposals have no scores.
    """

    def sample(
        self,
        assign_result: AssignResult,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        **kwargs,
    ) -> SamplingResult:
        """Sample, see mmdet's ``BaseSampler``."""
        if 'scores' not in pred_instances:
            raise ValueError(
                f'{type(self).__name__} needs the scores of proposals, and these have '
                'none; use RandomSampler'
            )
        result = super().sample(assign_result, pred_instances, gt_instances, **kwargs)
        # Objects that were added as proposals stand first; they are never negatives.
        added = len(gt_instances) if self.add_gt_as_proposals else 0
        result.neg_scores = pred_instances.scores[result.neg_inds - added]
        return result


@TASK_UTILS.register_module()
class ObjectnessRandomSampler(ObjectnessMixin, RandomSampler):
    """``RandomSampler`` with :class:`ObjectnessMixin`."""


@TASK_UTILS.register_module()
class ObjectnessWeightedRandomSampler(ObjectnessMixin, WeightedRandomSampler):
    """``WeightedRandomSampler`` with :class:`ObjectnessMixin`."""
