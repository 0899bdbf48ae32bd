"""Centerness and box IoU, the qualities that OLN learns."""

from __future__ import annotations

import pytest
import torch
from mmdet.models.task_modules.coders import TBLRBBoxCoder

from mmdet_ovis.models.layers.localization_quality import (
    box_centerness,
    box_iou,
    centerness,
    get_localization_quality,
)

ANCHOR = torch.tensor([[0.0, 0, 32, 32]])


@pytest.mark.parametrize(
    ('target', 'expected'),
    [((0, 0, 64, 32), 0.577350), ((8, 8, 24, 24), 1.0), ((20, 0, 60, 32), 0.0)],
)
def test_case_e1_centerness_of_an_anchor(target, expected):
    value = box_centerness(ANCHOR, torch.tensor([target]).float())
    torch.testing.assert_close(value, torch.tensor([expected]), atol=1e-6, rtol=0)


def test_case_e1_the_coder_measures_sides_in_anchors_and_decodes_what_it_encodes():
    coder = TBLRBBoxCoder(normalizer=1.0)
    target = torch.tensor([[0.0, 0, 64, 32]])
    encoded = coder.encode(ANCHOR, target)
    torch.testing.assert_close(encoded, torch.tensor([[0.5, 0.5, 0.5, 1.5]]))
    torch.testing.assert_close(coder.decode(ANCHOR, encoded), target)


def test_centerness_has_no_value_outside_and_no_nan_anywhere():
    sides = torch.tensor(
        [[0.0, 0, 0, 0], [-1, 3, 1, 1], [1, 1, 2, 0], [1, 4, 1, 1], [-2, -1, -3, -1]]
    )
    assert centerness(sides).tolist() == [0, 0, 0, 0.5, 0]
    assert centerness(sides[:0]).shape == (0,)


def test_box_iou_is_of_pairs():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2]])
    targets = torch.tensor([[0.0, 0, 2, 1], [4, 4, 5, 5]])
    assert box_iou(boxes, targets).tolist() == [0.5, 0]


def test_an_unknown_quality_is_named():
    assert get_localization_quality('BoxIoU') is box_iou
    with pytest.raises(ValueError, match=r"is one of Centerness, .*, not 'Centreness'"):
        get_localization_quality('Centreness')
