"""Assignment that leaves alone what is labelled already."""

from __future__ import annotations

import pytest
import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData

from mmdet_ovis.models.roi_heads.labelled_object_assigner import LabelledObjectAssigner

IOU = dict(pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, match_low_quality=False)
PSEUDO = torch.tensor([[0.0, 0, 10, 10]])
PERSON = torch.tensor([[30.0, 30, 40, 40]])
# On the pseudo object, on the person, half of the person's, a third, and on neither.
REGIONS = torch.tensor(
    [[0.0, 0, 10, 9], [30, 30, 40, 39], [30, 30, 40, 35], [30, 30, 40, 33],
     [60, 60, 70, 70]]
)  # fmt: skip


def assign(labelled, pseudo=PSEUDO, **options):
    assigner = LabelledObjectAssigner(**(IOU | options))
    known = None if labelled is None else InstanceData(bboxes=labelled)
    labels = torch.full((len(pseudo),), 7)
    return assigner.assign(
        InstanceData(priors=REGIONS), InstanceData(bboxes=pseudo, labels=labels), known
    )


def test_cmpl_case_20_regions_of_annotated_objects_are_left_alone():
    assert bbox_overlaps(REGIONS, PERSON)[:, 0].tolist() == pytest.approx(
        [0, 0.9, 0.5, 0.3, 0]
    )
    result = assign(PERSON)
    assert result.gt_inds.tolist() == [1, -1, -1, 0, 0]
    assert result.labels.tolist() == [7, -1, -1, -1, -1]


def test_even_where_a_pseudo_object_is():
    result = assign(PERSON, torch.cat([PSEUDO, PERSON]))
    assert result.gt_inds.tolist() == [1, -1, -1, 0, 0]


@pytest.mark.parametrize('labelled', [None, torch.zeros(0, 4)])
def test_without_annotations_it_is_the_assigner_of_mmdet(labelled):
    ours = assign(labelled)
    theirs = MaxIoUAssigner(**IOU).assign(
        InstanceData(priors=REGIONS),
        InstanceData(bboxes=PSEUDO, labels=torch.tensor([7])),
    )
    assert torch.equal(ours.gt_inds, theirs.gt_inds)
    assert torch.equal(ours.labels, theirs.labels)


def test_the_threshold_is_a_setting():
    assert assign(PERSON, labelled_iou_thr=0.6).gt_inds.tolist() == [1, -1, 0, 0, 0]


def test_without_pseudo_objects():
    result = assign(PERSON, torch.zeros(0, 4))
    assert result.gt_inds.tolist() == [0, -1, -1, 0, 0]


def test_registered():
    assert TASK_UTILS.get('LabelledObjectAssigner') is LabelledObjectAssigner
