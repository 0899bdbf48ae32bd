"""Mask targets of regions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks, mask_target
from mmengine.config import ConfigDict

from mmdet_ovis.models.layers import crop_mask_targets

BOX = torch.tensor([[10.0, 10, 24, 24]])
FIRST = torch.tensor([0])
SIZE = (14, 14)


def columns(number, height=40, width=40, left=10):
    """A mask of so many columns."""
    mask = torch.zeros(1, height, width, dtype=torch.bool)
    mask[:, 10:24, left : left + number] = True
    return mask


def test_cmpl_case_13_half_an_object():
    target = crop_mask_targets(columns(7), BOX, FIRST, SIZE)
    assert target.shape == (1, 14, 14)
    assert target.dtype == torch.float32
    assert target.sum() == 98
    assert target[0, :, :7].all()
    assert not target[0, :, 7:].any()


@pytest.mark.parametrize(('rule', 'expected'), [('threshold', 7), ('any', 8)])
def test_cmpl_case_13_masks_grow_in_the_published_code(rule, expected):
    masks = torch.zeros(1, 10, 10, dtype=torch.bool)
    masks[:, :, :5] = True
    box = torch.tensor([[0.0, 0, 10, 10]])
    target = crop_mask_targets(masks, box, FIRST, SIZE, rule)[0]
    assert target.any(0).sum() == target.all(0).sum() == expected
    assert target[:, :expected].all()


def blobs(number, height=50, width=60, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    masks = []
    for _ in range(number):
        cy, cx, r = rng.uniform(10, 40), rng.uniform(10, 50), rng.uniform(5, 20)
        masks.append((y - cy) ** 2 + (x - cx) ** 2 / 2 < r**2)
    return np.stack(masks)


def random_boxes(number, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(number, 2, generator=generator) * 40 - 5
    sizes = torch.rand(number, 2, generator=generator) * 30 + 2
    return torch.cat([corners, corners + sizes], 1)


@pytest.mark.parametrize('size', [(14, 14), (28, 28), (7, 12)])
def test_targets_are_those_of_mmdet(size):
    masks, boxes = blobs(3), random_boxes(20)
    places = torch.arange(20) % 3
    # As mmdet does it.
    inside = boxes.clone()
    inside[:, 0::2].clamp_(0, 60)
    inside[:, 1::2].clamp_(0, 50)
    ours = crop_mask_targets(torch.from_numpy(masks), inside, places, size)
    theirs = mask_target(
        [boxes], [places], [BitmapMasks(masks.astype(np.uint8), 50, 60)],
        ConfigDict(mask_size=size),
    )  # fmt: skip
    assert torch.equal(ours, theirs)
    assert 0.1 < theirs.mean() < 0.9


def test_the_published_rule_only_adds():
    masks, boxes = torch.from_numpy(blobs(3)), random_boxes(20).clamp(0, 50).round()
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    places = torch.arange(20) % 3
    few, more = (
        crop_mask_targets(masks, boxes, places, SIZE, rule)
        for rule in ('threshold', 'any')
    )
    assert (more >= few).all()
    assert more.sum() > few.sum()
    assert set(more.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize('rule', ['threshold', 'any'])
def test_each_box_has_its_mask(rule):
    masks = torch.cat([columns(14), torch.zeros(1, 40, 40, dtype=torch.bool)])
    boxes, places = BOX.repeat(3, 1), torch.tensor([1, 0, 1])
    found = crop_mask_targets(masks, boxes, places, SIZE, rule)
    assert found.mean((1, 2)).tolist() == [0, 1, 0]


@pytest.mark.parametrize('rule', ['threshold', 'any'])
@pytest.mark.parametrize(
    'box', [[-8.0, -8, 50, 50], [39, 39, 45, 45], [12, 12, 12, 12], [60, 60, 70, 70]]
)
def test_boxes_at_and_beyond_the_edge(rule, box):
    found = crop_mask_targets(columns(14), torch.tensor([box]), FIRST, SIZE, rule)
    assert found.shape == (1, 14, 14)
    assert found.isfinite().all()


@pytest.mark.parametrize('rule', ['threshold', 'any'])
def test_no_box_gives_no_target(rule):
    nothing = torch.zeros(0, 4), torch.zeros(0).long()
    assert crop_mask_targets(columns(3), *nothing, SIZE, rule).shape == (0, 14, 14)
    no_mask = torch.zeros(0, 40, 40, dtype=torch.bool)
    assert crop_mask_targets(no_mask, *nothing, SIZE, rule).shape == (0, 14, 14)


def test_targets_take_no_part_in_autograd():
    boxes = BOX.clone().requires_grad_()
    assert not crop_mask_targets(columns(7), boxes, FIRST, SIZE).requires_grad


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="rule is one of threshold, any, not 'all'"):
        crop_mask_targets(columns(7), BOX, FIRST, SIZE, 'all')
