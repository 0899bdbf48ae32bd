"""Boxes and masks scored by localization quality."""

from __future__ import annotations

import pytest
import torch
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.structures import InstanceData


def sampling_result(pos_priors, pos_gt_bboxes, num_neg):
    result = SamplingResult.__new__(SamplingResult)
    result.pos_priors = torch.tensor(pos_priors, dtype=torch.float32).view(-1, 4)
    result.neg_priors = torch.zeros(num_neg, 4)
    result.pos_gt_bboxes = torch.tensor(pos_gt_bboxes, dtype=torch.float32).view(-1, 4)
    result.pos_gt_labels = torch.zeros(len(pos_priors), dtype=torch.long)
    return result


@pytest.fixture
def model(root):
    torch.manual_seed(0)
    cfg = Config.fromfile(root / 'configs' / 'openshapes' / 'oln_mask.py').model
    cfg.backbone.init_cfg = None
    model = MODELS.build(cfg)
    model.init_weights()
    return model.eval()


@pytest.fixture
def bbox_head(model):
    return model.roi_head.bbox_head


def test_case_e3_the_score_loss_counts_all_sampled_regions(bbox_head):
    # One positive whose IoU with its object is 0.8, predicted 0.5, and 3 negatives.
    result = sampling_result([[0, 0, 10, 8]], [[0, 0, 10, 10]], num_neg=3)
    targets, weights = bbox_head.bbox_score_targets([result])
    torch.testing.assert_close(targets, torch.tensor([0.8, 0, 0, 0]))
    assert weights.tolist() == [1, 0, 0, 0]
    losses = bbox_head.loss_and_target(
        cls_score=torch.zeros(4, 2, requires_grad=True),
        bbox_pred=torch.zeros(4, 4, requires_grad=True),
        bbox_score=torch.tensor([[0.0], [3.0], [-2.0], [9.0]]),
        rois=torch.zeros(4, 5),
        sampling_results=[result],
        rcnn_train_cfg=Config(dict(pos_weight=-1)),
    )['loss_bbox']
    assert losses['loss_bbox_score'].item() == pytest.approx(0.3 / 4)
    assert losses['loss_cls'].item() == 0


def test_no_positive_gives_a_score_loss_of_zero(bbox_head):
    targets, weights = bbox_head.bbox_score_targets(
        [sampling_result([], [], num_neg=2), sampling_result([], [], num_neg=0)]
    )
    assert targets.tolist() == weights.tolist() == [0, 0]


def detect(model, monkeypatch, proposals, scores, logits, **test_cfg):
    """Run predict_bbox where every box stays as proposed."""
    roi_head = model.roi_head

    def forward(x, rois):
        number = len(rois)
        return dict(
            cls_score=torch.full((number, 2), 7.0),
            bbox_pred=torch.zeros(number, 4),
            bbox_score=torch.tensor(logits).view(-1, 1),
        )

    monkeypatch.setattr(roi_head, '_bbox_forward', forward)
    cfg = Config({**model.test_cfg.rcnn, **test_cfg})
    metas = [dict(img_shape=(100, 100), scale_factor=(1.0, 1.0))] * len(proposals)
    results = [
        InstanceData(
            bboxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
            scores=torch.tensor(s),
        )
        for boxes, s in zip(proposals, scores, strict=True)
    ]
    return roi_head.predict_bbox((torch.zeros(len(proposals), 64, 8, 8),) * 5, metas,
                                 results, cfg)  # fmt: skip


def test_case_e3_a_box_is_scored_by_the_geometric_mean(model, monkeypatch):
    logit = torch.tensor(0.64).logit().item()
    (result,) = detect(model, monkeypatch, [[[10, 10, 30, 30]]], [[0.81]], [logit])
    assert result.scores.item() == pytest.approx(0.72, abs=1e-6)
    assert result.bboxes.tolist() == [[10, 10, 30, 30]]
    assert result.labels.tolist() == [0]


def test_images_keep_their_own_boxes_and_the_better_of_two_suppresses(
    model, monkeypatch
):
    box, other = [10, 10, 30, 30], [50, 50, 90, 90]
    first, second = detect(
        model,
        monkeypatch,
        [[box, other], [box, box]],
        [[0.5, 0.9], [0.2, 0.8]],
        [0.0] * 4,
    )
    assert first.bboxes.tolist() == [other, box]
    assert second.bboxes.tolist() == [box]
    assert second.scores.item() == pytest.approx(0.4**0.5, abs=1e-6)


def test_no_proposal_gives_no_box(model):
    nothing = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0))
    (result,) = model.roi_head.predict_bbox(
        (torch.zeros(1, 64, 8, 8),) * 5, [dict(img_shape=(64, 64))], [nothing],
        model.test_cfg.rcnn,
    )  # fmt: skip
    assert result.bboxes.shape == (0, 4)


def test_given_boxes_are_scored_image_by_image(model):
    feats = tuple(torch.randn(2, 64, 64 // 2**i, 64 // 2**i) for i in range(5))
    boxes = torch.tensor([[8.0, 8, 60, 70], [30, 20, 90, 60]])
    together = model.roi_head.score_boxes(feats, [boxes, boxes[:1]])
    assert together.shape == (3,)
    assert ((together > 0) & (together < 1)).all()
    second = model.roi_head.score_boxes(tuple(f[1:] for f in feats), [boxes[:1]])
    torch.testing.assert_close(together[2:], second)


def test_mask_scores_are_cube_roots_and_boxes_keep_theirs(model):
    results = InstanceData(
        scores=torch.tensor([0.72, 0.5]), labels=torch.zeros(2).long()
    )
    (results,) = model.roi_head.mask_iou_head.predict_by_feat(
        (torch.tensor([[0.5], [-0.3]]),), [results]
    )
    expected = torch.tensor([(0.81 * 0.64 * 0.5) ** (1 / 3), 0])
    torch.testing.assert_close(results.mask_scores, expected)
    torch.testing.assert_close(results.scores, torch.tensor([0.72, 0.5]))


def test_the_mask_iou_is_learnt_and_masks_come_with_scores(model, make_sample):
    size = (128, 128)
    metainfo = dict(pad_shape=size, batch_input_shape=size, scale_factor=(1.0, 1.0))
    sample = make_sample(size, [(20, 20, 70, 70)], **metainfo)
    inputs = torch.randn(1, 3, 128, 128)
    losses = model.train().loss(inputs, [sample])
    for name in ('loss_rpn_obj', 'loss_bbox_score', 'loss_mask', 'loss_mask_iou'):
        assert name in losses
    total, _ = model.parse_losses(losses)
    total.backward()
    for branch in (model.rpn_head.rpn_obj, model.roi_head.bbox_head.fc_bbox_score,
                   model.roi_head.mask_iou_head.fc_mask_iou):  # fmt: skip
        assert branch.weight.grad.abs().sum() > 0
    with torch.no_grad():
        (result,) = model.eval().predict(inputs, [sample])
    found = result.pred_instances
    assert len(found)
    assert found.mask_scores.shape == found.scores.shape
    assert found.masks.shape == (len(found), 128, 128)
