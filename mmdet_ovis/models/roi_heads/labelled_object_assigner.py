"""Assignment that leaves alone what is labelled already."""

from __future__ import annotations

from mmdet.models.task_modules.assigners import AssignResult, MaxIoUAssigner
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData


@TASK_UTILS.register_module()
class LabelledObjectAssigner(MaxIoUAssigner):
    """``MaxIoUAssigner`` for pseudo instances beside annotated objects.

    Regions that overlap an annotated object are neither positive nor negative: nothing
    is learnt from them, whatever the pseudo instances are.

    Args:
        labelled_iou_thr (float): IoU with an annotated object from which a region is
            left alone. Defaults to 0.5.
        **kwargs: Arguments of ``MaxIoUAssigner``.
    """

    def __init__(self, *args, labelled_iou_thr: float = 0.5, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.labelled_iou_thr = labelled_iou_thr

    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None = None,
        **kwargs,
    ) -> AssignResult:
        """Assign regions to pseudo instances, see mmdet's ``MaxIoUAssigner``.

        Args:
            pred_instances (InstanceData): ``priors`` (n, 4) xyxy.
            gt_instances (InstanceData): Pseudo instances, ``bboxes`` and ``labels``.
            gt_instances_ignore (InstanceData, optional): Annotated objects, ``bboxes``
                (m, 4). Defaults to None.
            **kwargs: Further arguments of the parent.

        Returns:
            AssignResult: ``gt_inds`` is -1 for regions that are left alone.
        """
        result = super().assign(pred_instances, gt_instances, None, **kwargs)
        if gt_instances_ignore is not None and len(gt_instances_ignore):
            overlaps = bbox_overlaps(pred_instances.priors, gt_instances_ignore.bboxes)
            labelled = overlaps.amax(1) >= self.labelled_iou_thr
            result.gt_inds[labelled] = -1
            result.labels[labelled] = -1
        return result
