"""The proposal head of OLN: proposals, targets, losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import nn

STRIDES = (4, 8, 16, 32, 64)


@pytest.fixture
def build(root):
    """Return a function that builds the head of oln_box, with changes."""

    def build(**changes):
        model = Config.fromfile(root / 'configs' / 'oln' / 'oln_box.py').model
        head = model.rpn_head
        head.update(in_channels=8, feat_channels=8)
        head.update(
            train_cfg=model.train_cfg.rpn, test_cfg=model.test_cfg.rpn, **changes
        )
        torch.manual_seed(0)
        head = MODELS.build(head)
        head.init_weights()
        nn.init.constant_(head.rpn_reg.bias, 0.5)  # boxes start as their anchors
        return head

    return build


def features(size, batch=1):
    return tuple(torch.randn(batch, 8, size // s, size // s) for s in STRIDES)


def meta(size):
    return dict(img_shape=(size, size), pad_shape=(size, size), scale_factor=(1, 1))


def instances(*boxes):
    boxes = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    return InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long))


def test_case_e2_every_location_proposes_and_nothing_is_suppressed(build):
    head = build()
    (proposals,) = head.predict_by_feat(
        *head(features(128)), batch_img_metas=[meta(128)]
    )
    assert len(proposals) == 1024 + 256 + 64 + 16 + 4
    assert (proposals.scores.diff() <= 0).all()
    assert proposals.bboxes.min() >= 0
    assert proposals.bboxes.max() <= 128


def test_case_e2_a_level_proposes_2000_at_most(build):
    head = build()
    (proposals,) = head.predict_by_feat(
        *head(features(256)), batch_img_metas=[meta(256)]
    )
    assert len(proposals) == 2000 + 1024 + 256 + 64 + 16


def test_proposals_are_ranked_by_quality_alone(build):
    head = build()
    outputs = [list(maps) for maps in head(features(128))]
    for maps, value in zip(outputs[::2], (9.0, 0.0), strict=True):
        for level in maps:
            level.detach().fill_(value)
    outputs[2][1][0, 0, 5, 7] = 2.0  # row 5, column 7 of stride 8
    outputs[1][1].detach().fill_(0.5)
    (proposals,) = head.predict_by_feat(*outputs, batch_img_metas=[meta(128)])
    assert proposals.scores[0] == pytest.approx(torch.tensor(2.0).sigmoid().item())
    assert (proposals.scores[1:] == 0.5).all()
    torch.testing.assert_close(
        proposals.bboxes[0], torch.tensor([56.0 - 32, 40 - 32, 56 + 32, 40 + 32])
    )


def test_features_are_normalized_over_channels(build):
    head = build()
    feats = features(128)
    feats = tuple(f.abs() for f in feats)
    outputs = head(feats)
    with torch.no_grad():
        head.rpn_conv.weight *= 3
        head.rpn_conv.bias *= 3
    for before, after in zip(outputs[2], head(feats)[2], strict=True):
        torch.testing.assert_close(before, after)


def test_quality_targets_are_the_centerness_of_sampled_anchors(build):
    head = build()
    sizes = [(128 // s, 128 // s) for s in STRIDES]
    targets, weights = head.objectness_targets(
        sizes, [instances((40, 40, 72, 72))], [meta(128)], None, torch.device('cpu')
    )
    assert targets.shape == weights.shape == (1, 1364)
    assert weights.sum() == 256
    assert set(weights.unique().tolist()) == {0, 1}
    assert (targets[weights == 0] == 0).all()
    level = targets[0, :1024].reshape(32, 32)
    assert level[14, 14] == 1  # its anchor, of side 32 around (56, 56), is the object
    assert level[14, 15] == pytest.approx((12 / 20) ** 0.5)
    assert (targets[0][targets[0] > 0] > 0.1).all()


def test_without_objects_all_sampled_anchors_are_negatives(build):
    head = build()
    sizes = [(128 // s, 128 // s) for s in STRIDES]
    targets, weights = head.objectness_targets(
        sizes, [instances()], [meta(128)], None, torch.device('cpu')
    )
    assert weights.sum() == 256
    assert targets.sum() == 0


@pytest.mark.parametrize(('legacy', 'number'), [(False, 'some'), (True, 'none')])
def test_case_e4_objects_at_the_border_are_regressed(build, legacy, number):
    head = build(legacy_valid_test=legacy)
    sizes = [(128 // s, 128 // s) for s in STRIDES]
    anchors, flags = head.get_anchors(sizes, [meta(128)], 'cpu')
    targets = head._get_targets_single(
        torch.cat(anchors[0]),
        torch.cat(flags[0]),
        instances((0, 32, 40, 64)),
        meta(128),
    )
    positive = targets[1][targets[0] == 0]
    assert positive.sum() > 0  # labels and their weights are untouched
    weights = targets[3][targets[0] == 0]
    assert set(weights.unique().tolist()) == ({1} if number == 'some' else {0})


def test_an_anchor_whose_centre_is_outside_its_object_is_not_regressed(build):
    head = build()
    sizes = [(128 // s, 128 // s) for s in STRIDES]
    anchors, flags = head.get_anchors(sizes, [meta(128)], 'cpu')
    # So thin that the best anchor lies beside it.
    targets = head._get_targets_single(
        torch.cat(anchors[0]),
        torch.cat(flags[0]),
        instances((33, 40, 35, 120)),
        meta(128),
    )
    assert targets[3].sum() == 0


def test_losses_are_divided_by_the_anchors_of_the_box_loss(build):
    head = build()
    outputs = head(features(128, batch=2))
    with torch.no_grad():
        for level in outputs[2]:
            level.fill_(0.0)
    losses = head.loss_by_feat(*outputs, [instances(), instances()], [meta(128)] * 2)
    # 256 negatives an image, target 0, predicted 0.5; mmdet counts a positive as well.
    assert losses['loss_rpn_obj'].item() == pytest.approx(0.5 * 256 / 257)
    assert sum(losses['loss_rpn_cls']) == 0
    assert sum(losses['loss_rpn_bbox']) == 0


def test_gradients_are_finite_and_leave_the_classifier_alone(build):
    head = build()
    outputs = head(features(128))
    losses = head.loss_by_feat(*outputs, [instances((40, 40, 72, 80))], [meta(128)])
    total = (
        losses['loss_rpn_obj']
        + sum(losses['loss_rpn_bbox'])
        + sum(losses['loss_rpn_cls'])
    )
    total.backward()
    for name, parameter in head.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        moved = parameter.grad.abs().sum() > 0
        assert moved == (not name.startswith('rpn_cls')), name


def test_a_given_box_takes_the_quality_of_the_anchor_that_fits_best(build):
    head = build()
    feats = features(256)
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 250, (200, 2, 2))
    boxes = np.hstack([corners.min(axis=1), corners.max(axis=1) + 2])
    boxes = torch.from_numpy(boxes).float()
    with torch.no_grad():
        values = head.score_boxes(feats, boxes)
        logits = torch.cat([level.flatten() for level in head(feats)[2]])
    anchors = head.prior_generator.grid_priors(
        [f.shape[-2:] for f in feats], device='cpu'
    )
    ious = bbox_overlaps(boxes, torch.cat(anchors))
    best = ious.max(dim=1, keepdim=True).values
    # Anchors that hold the box, or lie in it, are equally good: one of them is taken.
    for value, candidates in zip(values, ious >= best - 1e-5, strict=True):
        assert (logits[candidates].sigmoid() - value).abs().min() < 1e-6
    assert head.score_boxes(feats, boxes[:0]).shape == (0,)


def test_mistakes_in_the_config_are_named(build):
    with pytest.raises(ValueError, match='one anchor a location, not 3'):
        build(
            anchor_generator=dict(
                type='AnchorGenerator', scales=[8], ratios=[0.5, 1, 2], strides=STRIDES
            )
        )
    with pytest.raises(ValueError, match='localization quality is one of'):
        build(objectness_type='IoU')
