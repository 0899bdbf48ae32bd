"""Weights of instances on their way through sampler and heads of a Mask R-CNN."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.samplers import RandomSampler
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import bbox2roi
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmdet_ovis.models import (
    WeightedFCNMaskHead,
    WeightedRandomSampler,
    WeightedShared2FCBBoxHead,
)

BOXES = torch.tensor([[0.0, 0, 16, 16], [24, 24, 48, 48]])
PROPOSALS = torch.tensor(
    [[1.0, 0, 17, 16], [24, 25, 48, 49], [25, 24, 49, 48], [0, 40, 8, 60]]
)
TRAIN_CFG = ConfigDict(pos_weight=-1, mask_size=28)
SAMPLER = dict(num=16, pos_fraction=0.75, add_gt_as_proposals=False)
HEAD = dict(in_channels=4, fc_out_channels=8, roi_feat_size=2, num_classes=1)
L1 = dict(type='L1Loss')


def instances(weights, boxes=BOXES):
    masks = np.zeros((len(boxes), 64, 64), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1 : (x1 + x2) // 2] = 1
    gt = InstanceData(
        bboxes=boxes,
        labels=torch.zeros(len(boxes), dtype=torch.long),
        masks=BitmapMasks(masks, 64, 64),
    )
    if weights is not None:
        gt.loss_weights = torch.tensor(weights, dtype=torch.float32)
    return gt


def sample(gt, sampler=WeightedRandomSampler):
    priors = InstanceData(priors=PROPOSALS.clone())
    assigner = MaxIoUAssigner(pos_iou_thr=0.5, neg_iou_thr=0.5, match_low_quality=False)
    return sampler(**SAMPLER).sample(assigner.assign(priors, gt), priors, gt)


def bbox_losses(head, results, cls_score, bbox_pred):
    rois = bbox2roi([result.priors for result in results])
    return head.loss_and_target(cls_score, bbox_pred, rois, results, TRAIN_CFG)[
        'loss_bbox'
    ]


def predictions(n):
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(n, 2, generator=generator, requires_grad=True),
        torch.randn(n, 4, generator=generator, requires_grad=True),
    )


def mask_loss(head, mask_preds, results, gts):
    return head.loss_and_target(mask_preds, results, gts, TRAIN_CFG)['loss_mask'][
        'loss_mask'
    ]


def test_positives_get_the_weights_of_their_instances():
    result = sample(instances([1.0, 0.25]))
    assert result.pos_assigned_gt_inds.tolist() == [0, 1, 1]
    assert result.pos_weights.tolist() == [1.0, 0.25, 0.25]
    assert len(result.neg_inds) == 1


def test_an_image_without_instances_has_no_weights():
    result = sample(instances([], BOXES[:0]))
    assert result.pos_weights.shape == (0,)
    assert len(result.neg_inds) == 4


def test_what_is_sampled_does_not_depend_on_weights():
    torch.manual_seed(0)
    weighted = sample(instances([0.0, 1.0]))
    torch.manual_seed(0)
    plain = sample(instances(None), RandomSampler)
    assert torch.equal(weighted.pos_inds, plain.pos_inds)
    assert torch.equal(weighted.neg_inds, plain.neg_inds)


def test_missing_weights_are_named():
    with pytest.raises(ValueError, match=r"loss_weights.*type='LoadInstanceFlags'"):
        sample(instances(None))
    plain = sample(instances(None), RandomSampler)
    head = WeightedShared2FCBBoxHead(**HEAD)
    with pytest.raises(ValueError, match=r"sampler\.type='WeightedRandomSampler'"):
        head.get_targets([plain], TRAIN_CFG)


def test_unit_weights_give_the_box_losses_of_mmdet():
    results = [sample(instances([1.0, 1.0])), sample(instances([1.0, 1.0]))]
    predicted = predictions(8)
    weighted = bbox_losses(WeightedShared2FCBBoxHead(**HEAD), results, *predicted)
    plain = bbox_losses(Shared2FCBBoxHead(**HEAD), results, *predicted)
    assert weighted.keys() == plain.keys()
    for name, value in plain.items():
        assert torch.equal(weighted[name], value), name


def test_box_losses_are_weighted():
    result = sample(instances([1.0, 0.25]))
    head = WeightedShared2FCBBoxHead(**HEAD, loss_bbox=L1)
    losses = bbox_losses(head, [result], torch.zeros(4, 2), torch.zeros(4, 4))
    # Three positives of weights 1, 1/4, 1/4 and a negative; four have a weight.
    assert losses['loss_cls'].item() == pytest.approx(math.log(2) * 2.5 / 4)
    targets = head.bbox_coder.encode(result.pos_priors, result.pos_gt_bboxes)
    expected = (targets.abs().sum(1) * torch.tensor([1, 0.25, 0.25])).sum() / 4
    assert losses['loss_bbox'].item() == pytest.approx(expected.item())


def test_an_instance_of_weight_0_is_neither_positive_nor_negative():
    head = WeightedShared2FCBBoxHead(**HEAD)
    cls_score, bbox_pred = predictions(4)
    losses = bbox_losses(head, [sample(instances([1.0, 0.0]))], cls_score, bbox_pred)
    (losses['loss_cls'] + losses['loss_bbox']).backward()
    assert (cls_score.grad[[0, 3]] != 0).all()
    assert (cls_score.grad[[1, 2]] == 0).all()
    assert (bbox_pred.grad[1:] == 0).all()
    assert bbox_pred.grad[0].abs().sum() > 0
    # The same as if its proposals had not been sampled.
    kept = torch.nn.functional.cross_entropy(cls_score[[0, 3]], torch.tensor([0, 1]))
    assert losses['loss_cls'].item() == pytest.approx(kept.item())


def test_targets_of_images_one_by_one():
    results = [sample(instances([0.5, 0.0])), sample(instances([], BOXES[:0]))]
    head = WeightedShared2FCBBoxHead(**HEAD)
    _, label_weights, _, bbox_weights = head.get_targets(
        results, TRAIN_CFG, concat=False
    )
    assert [w.tolist() for w in label_weights] == [[0.5, 0, 0, 1], [1, 1, 1, 1]]
    assert bbox_weights[0][:, 0].tolist() == [0.5, 0, 0, 0]


MASK_HEAD = dict(num_convs=0, in_channels=4, conv_out_channels=4, num_classes=1)


def mask_predictions(n=3):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 1, 28, 28, generator=generator, requires_grad=True)


def test_unit_weights_give_the_mask_loss_of_mmdet():
    gt = instances([1.0, 1.0])
    result, preds = sample(gt), mask_predictions()
    for options in ({}, {'class_agnostic': True}):
        weighted = WeightedFCNMaskHead(**MASK_HEAD, **options)
        plain = FCNMaskHead(**MASK_HEAD, **options)
        assert torch.equal(
            mask_loss(weighted, preds, [result], [gt]),
            mask_loss(plain, preds, [result], [gt]).squeeze(),
        )


def test_mask_loss_is_a_weighted_mean():
    gt = instances([1.0, 0.25])
    result, preds = sample(gt), mask_predictions()
    head = WeightedFCNMaskHead(**MASK_HEAD)
    targets = head.get_targets([result], [gt], TRAIN_CFG)
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        preds[:, 0], targets, reduction='none'
    ).mean((1, 2))
    expected = (each[0] + 0.25 * each[1] + 0.25 * each[2]) / 1.5
    loss = mask_loss(head, preds, [result], [gt])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_masks_of_weight_0_do_not_count():
    gt = instances([1.0, 0.0])
    result, preds = sample(gt), mask_predictions()
    loss = mask_loss(WeightedFCNMaskHead(**MASK_HEAD), preds, [result], [gt])
    loss.backward()
    assert preds.grad[0].abs().sum() > 0
    assert (preds.grad[1:] == 0).all()
    # What mmdet makes of the first instance alone.
    alone = instances([1.0], BOXES[:1])
    plain = mask_loss(FCNMaskHead(**MASK_HEAD), preds[:1], [sample(alone)], [alone])
    assert loss.item() == pytest.approx(plain.item())


def test_little_weight_in_all_stays_little():
    gt = instances([0.2, 0.0])
    preds = torch.zeros(3, 1, 28, 28, requires_grad=True)
    loss = mask_loss(WeightedFCNMaskHead(**MASK_HEAD), preds, [sample(gt)], [gt])
    assert loss.item() == pytest.approx(0.2 * math.log(2))


def test_the_mask_loss_of_half_precision_is_single():
    gt = instances([1.0, 0.25])
    result, preds = sample(gt), mask_predictions()
    head = WeightedFCNMaskHead(**MASK_HEAD)
    half = mask_loss(head, preds.half(), [result], [gt])
    assert half.dtype == torch.float32
    single = mask_loss(head, preds, [result], [gt])
    assert half.item() == pytest.approx(single.item(), rel=1e-3)


@pytest.mark.parametrize('weights', [[0.0, 0.0], []])
def test_nothing_to_learn_is_finite(weights):
    gt = instances(weights, BOXES[: len(weights)])
    result = sample(gt)
    preds = mask_predictions(len(result.pos_inds))
    loss = mask_loss(WeightedFCNMaskHead(**MASK_HEAD), preds, [result], [gt])
    cls_score, bbox_pred = predictions(4)
    losses = bbox_losses(
        WeightedShared2FCBBoxHead(**HEAD), [result], cls_score, bbox_pred
    )
    total = loss.sum() + losses['loss_cls'] + losses['loss_bbox']
    total.backward()
    assert loss.sum() == 0
    assert losses['loss_bbox'] == 0
    for tensor in (preds, cls_score, bbox_pred):
        assert torch.isfinite(tensor.grad).all()


def test_mask_losses_of_another_kind_are_refused():
    with pytest.raises(ValueError, match=r'WeightedFCNMaskHead weights.*not DiceLoss'):
        WeightedFCNMaskHead(**MASK_HEAD, loss_mask=dict(type='DiceLoss'))


def test_registered():
    assert MODELS.get('WeightedShared2FCBBoxHead') is WeightedShared2FCBBoxHead
    assert MODELS.get('WeightedFCNMaskHead') is WeightedFCNMaskHead
    assert TASK_UTILS.get('WeightedRandomSampler') is WeightedRandomSampler
