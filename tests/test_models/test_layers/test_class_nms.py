"""Suppression within classes, whatever their number."""

from __future__ import annotations

import pytest
import torch
from mmdet.models.layers import multiclass_nms

from mmdet_ovis.models.layers.class_nms import nms_by_class

NMS = dict(type='nms', iou_threshold=0.5)


@pytest.mark.parametrize('label', [0, 1202])
def test_high_labels_are_suppressed_like_low_ones(label):
    """IoU 0.503; at 1202 * 1334 pixels float32 would make it exactly 0.5."""
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 5.03], [1300, 0, 1333, 20]])
    scores = torch.zeros(3, 1204)
    scores[:, label] = torch.tensor([0.9, 0.8, 0.7])
    scores[:, 600] = torch.tensor([0.0, 0.0, 0.6])  # a second class
    dets, labels = nms_by_class(boxes, scores, 0.05, NMS)
    assert labels.tolist() == [label, label, 600]
    assert dets[:, 4].tolist() == pytest.approx([0.9, 0.7, 0.6])


def test_the_same_as_mmdet_for_few_classes():
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(40, 2, generator=generator) * 50
    boxes = torch.cat([corners, corners + 30], dim=1)
    scores = torch.rand(40, 4, generator=generator)
    for options in (NMS, {**NMS, 'class_agnostic': True}):
        ours = nms_by_class(boxes, scores, 0.2, options, 25)
        theirs = multiclass_nms(boxes, scores, 0.2, options, 25)
        assert 0 < len(ours[0]) <= 25
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b)


def test_nothing_above_the_threshold():
    dets, labels = nms_by_class(torch.zeros(2, 4), torch.zeros(2, 3), 0.5, NMS, 10)
    assert (dets.shape, labels.shape) == ((0, 5), (0,))
