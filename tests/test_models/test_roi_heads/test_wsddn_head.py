"""Learning boxes from the words of images."""

from __future__ import annotations

import math

import pytest
import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.samplers import PseudoSampler
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmdet_ovis.models.roi_heads.bbox_heads import Shared2FCWSDDNHead, WSDDNHead
from mmdet_ovis.models.roi_heads.weakly_supervised_roi_head import best_proposals

ASSIGNER = dict(
    type='MaxIoUAssigner',
    pos_iou_thr=0.5,
    neg_iou_thr=0.5,
    min_pos_iou=0.5,
    match_low_quality=False,
)
BOXES = torch.tensor([[0.0, 0, 16, 16], [0, 0, 16, 15], [16, 16, 32, 32]])


def make_roi_head(num_refinements=0, num_classes=3, **changes):
    """A RoI head on one feature map of 2 channels, at stride 4."""
    cfg = dict(
        type='WeaklySupervisedRoIHead',
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=2, sampling_ratio=1),
            out_channels=2,
            featmap_strides=[4],
        ),
        bbox_head=dict(
            type='WSDDNHead',
            in_channels=2,
            roi_feat_size=2,
            num_classes=num_classes,
            num_refinements=num_refinements,
        ),
        train_cfg=ConfigDict(
            assigner=ASSIGNER, sampler=dict(type='PseudoSampler'), pos_weight=-1
        ),
        test_cfg=ConfigDict(
            score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=50
        ),
    )
    return MODELS.build(cfg | changes)


def make_batch(boxes=(BOXES,), labels=((0, 2),)):
    """Proposals and data samples of images of 32 x 32 pixels."""
    samples = []
    for of_image in labels:
        sample = DetDataSample(metainfo=dict(img_shape=(32, 32), img_path='a.jpg'))
        sample.gt_instances = InstanceData(labels=torch.tensor(of_image).long())
        samples.append(sample)
    return [InstanceData(bboxes=each) for each in boxes], samples


def features(number=1):
    return (torch.randn(number, 2, 8, 8, generator=torch.Generator().manual_seed(1)),)


def test_layers_begin_as_in_the_paper():
    head = WSDDNHead(in_channels=64, roi_feat_size=4, num_classes=50, num_refinements=2)
    head.init_weights()
    layers = (head.fc_cls.classes, head.fc_cls.proposals, *head.fc_cls.refinements)
    assert [len(layer.weight) for layer in layers] == [50, 50, 51, 51]
    for layer in layers:
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.1)
        assert not layer.bias.any()
    assert head.fc_reg.out_features == 4
    logits, boxes = head(torch.randn(3, 64, 4, 4))
    assert logits.shape == (3, 2 * 50 + 2 * 51)
    assert boxes.shape == (3, 4)


def test_untrained_loss_is_known():
    """Equal logits: each class has probability 1/C for any number of proposals."""
    head = make_roi_head(num_classes=4)
    torch.nn.init.zeros_(head.bbox_head.fc_cls.classes.weight)
    torch.nn.init.zeros_(head.bbox_head.fc_cls.proposals.weight)
    batch = make_batch((BOXES, BOXES[:1]), ((0,), (0, 1, 0)))
    losses = head.loss(features(2), *batch)
    shown, absent = math.log(4), -math.log(3 / 4 + 1e-6)
    expected = (shown + 3 * absent) / 4 + (2 * shown + 2 * absent) / 4
    assert losses['loss_image'].item() == pytest.approx(expected / 2, rel=1e-5)
    assert set(losses) == {'loss_image', 'loss_bbox'}


def test_each_refinement_has_its_loss_and_gradient():
    torch.manual_seed(0)
    head = make_roi_head(num_refinements=2)
    head.init_weights()
    x = features()
    x[0].requires_grad_()
    losses = head.loss(x, *make_batch())
    assert list(losses) == ['loss_image', 'loss_refine0', 'loss_refine1', 'loss_bbox']
    for name, layers in {
        'loss_image': {'classes', 'proposals'},
        'loss_refine0': {'refinements.0'},
        'loss_refine1': {'refinements.1'},
        'loss_bbox': set(),
    }.items():
        head.zero_grad()
        losses[name].backward(retain_graph=True)
        moved = {
            key.removesuffix('.weight')
            for key, p in head.bbox_head.fc_cls.named_parameters()
            if p.grad is not None and p.grad.any() and key.endswith('weight')
        }
        assert moved == layers, name
        assert head.bbox_head.fc_reg.weight.grad is None or name == 'loss_bbox'
    assert x[0].grad.any()


def test_refinement_loss_by_hand():
    """A sample weighs as much as the best proposal next to it scores."""
    head = WSDDNHead(in_channels=2, roi_feat_size=1, num_classes=2, num_refinements=1)
    scores = torch.tensor([[0.6, 0.1], [0.3, 0.1], [0.1, 0.1]])
    best = best_proposals(BOXES, scores, torch.tensor([0]))
    assert best.bboxes.tolist() == BOXES[:1].tolist()
    priors = InstanceData(priors=BOXES)
    assigned = MaxIoUAssigner(**{k: v for k, v in ASSIGNER.items() if k != 'type'})
    result = PseudoSampler().sample(assigned.assign(priors, best), priors, best)
    assert result.pos_inds.tolist() == [0, 1]
    result.sample_weights = torch.full((3,), 0.6)
    logits = torch.zeros(3, 2 * 2 + 3)
    logits[2, -1] = math.log(2)  # softmax 1/4, 1/4, 1/2: half sure of the background
    loss = head.refinement_loss([logits], 0, [result], ConfigDict(pos_weight=-1))
    expected = 0.6 * (2 * math.log(3) + math.log(2)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_boxes_are_drawn_to_the_best_proposal_of_a_word():
    """The second box overlaps the best one by 15/16; its target is one row higher."""
    head = make_roi_head()
    proposals, _ = make_batch()
    logits = torch.zeros(3, 6)
    logits[0, 3] = 9.0  # the stream over proposals, class 0
    (sampled,) = head._mine(
        [proposals[0].bboxes], [logits], [torch.tensor([0])], stage=0
    )
    score = head.bbox_head.stage_scores(logits, 0)[0, 0].item()
    assert score == pytest.approx(1 / 3, rel=1e-3)
    assert torch.allclose(sampled.sample_weights, torch.tensor(score))
    _, _, targets, weights = head.bbox_head.get_targets([sampled], head.train_cfg)
    expected = torch.tensor([0, 0.5 / 15 / 0.1, 0, math.log(16 / 15) / 0.2])
    assert torch.allclose(targets[1], expected, atol=1e-5)
    assert weights.tolist() == [[pytest.approx(score)] * 4] * 2 + [[0.0] * 4]
    zeros = torch.zeros(3, 4)
    rois = torch.cat([torch.zeros(3, 1), BOXES], 1)
    loss = head.bbox_head.regression_loss([zeros], [rois], [sampled], head.train_cfg)
    huber = 0.5 * expected.square().sum()  # all below beta
    assert loss.item() == pytest.approx(score * huber.item() / 3, rel=1e-4)


def test_no_box_is_read():
    """Neither those of the ground truth, which are NaN, nor how often a word comes."""
    torch.manual_seed(0)
    head = make_roi_head(num_refinements=1)
    head.init_weights()
    expected = head.loss(features(), *make_batch())
    proposals, samples = make_batch(labels=((2, 0, 0, 2),))
    samples[0].gt_instances.bboxes = torch.full((4, 4), torch.nan)
    samples[0].ignored_instances = InstanceData(bboxes=torch.full((1, 4), torch.nan))
    for name, loss in head.loss(features(), proposals, samples).items():
        assert torch.equal(loss, expected[name]), name


@pytest.mark.parametrize('number', [1, 40])
def test_order_of_proposals_does_not_matter(number):
    torch.manual_seed(0)
    head = make_roi_head(num_refinements=1)
    head.init_weights()
    corners = 16 * torch.rand(number, 2)
    boxes = torch.cat([corners, corners + 2 + 14 * torch.rand(number, 2)], 1)
    order = torch.randperm(number)
    one, other = (
        head.loss(features(), *make_batch((each,))) for each in (boxes, boxes[order])
    )
    for name, loss in one.items():
        assert torch.allclose(loss, other[name], atol=1e-6), name


def test_images_do_not_see_each_other():
    """The softmax over proposals ends with the image."""
    torch.manual_seed(0)
    head = make_roi_head()
    x = features(2)
    both = head.loss(x, *make_batch((BOXES, BOXES[1:]), ((0,), (1, 2))))
    alone = [
        head.loss((x[0][i : i + 1],), *make_batch((boxes,), (labels,)))
        for i, (boxes, labels) in enumerate([(BOXES, (0,)), (BOXES[1:], (1, 2))])
    ]
    mean = sum(losses['loss_image'] for losses in alone) / 2
    assert torch.allclose(both['loss_image'], mean)


@pytest.mark.parametrize('numbers', [(3, 0), (0, 3), (0, 0)])
def test_images_without_proposals_teach_nothing_and_keep_all_gradients(numbers):
    """Processes that train together wait for the gradient of each parameter."""
    torch.manual_seed(0)
    head = make_roi_head(num_refinements=1)
    x = features(2)
    x[0].requires_grad_()
    batch = make_batch([BOXES[:n] for n in numbers], ((0,), (0,)))
    losses = head.loss(x, *batch)
    sum(losses.values()).backward()
    assert x[0].grad is not None
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    if sum(numbers):
        place = numbers.index(3)
        alone = head.loss((x[0][place : place + 1],), *make_batch(labels=((0,),)))
        for name, loss in alone.items():
            assert torch.allclose(loss, losses[name]), name
    else:
        assert not any(loss.item() for loss in losses.values())


def test_an_image_without_a_word_has_no_training_boxes():
    head = make_roi_head(num_refinements=1)
    losses = head.loss(features(), *make_batch(labels=((),)))
    assert losses['loss_image'] > 0
    assert losses['loss_refine0'] == 0
    assert losses['loss_bbox'] == 0


def test_scores_of_detections_are_those_of_the_streams():
    """Class-wise suppression, the best first, boxes back at the original size."""
    head = make_roi_head().bbox_head
    logits = torch.zeros(3, 6)
    logits[0, 3] = math.log(4)  # of class 0: proposals 4/6, 1/6, 1/6
    metas = [dict(img_shape=(32, 32), scale_factor=(2.0, 2.0))]
    cfg = ConfigDict(score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5))
    (found,) = head.predict_by_feat(
        (torch.cat([torch.zeros(3, 1), BOXES], 1),), (logits,), (torch.zeros(3, 4),),
        metas, ConfigDict(max_per_img=3, **cfg), rescale=True,
    )  # fmt: skip
    assert found.scores.tolist() == pytest.approx([4 / 18, 1 / 9, 1 / 9])
    assert found.labels[0] == 0
    assert found.bboxes[0].tolist() == [0, 0, 8, 8]
    assert len(found) == 3


def test_scores_of_detections_are_the_mean_of_the_refinements():
    head = make_roi_head(num_refinements=2, num_classes=1).bbox_head
    logits = torch.zeros(1, 2 + 2 * 2)
    logits[0, 4] = math.log(3)  # 1/2 and 3/4
    assert head.final_scores(logits).tolist() == [[pytest.approx(0.625)]]
    (found,) = head.predict_by_feat(
        (torch.tensor([[0.0, 0, 0, 16, 16]]),), (logits,), (torch.zeros(1, 4),),
        [dict(img_shape=(32, 32))],
        ConfigDict(score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5),
                   max_per_img=5),
    )  # fmt: skip
    assert found.scores.tolist() == [pytest.approx(0.625)]


def test_class_agnostic_boxes_score_by_their_best_class():
    """The second box gives way to the first, whatever the classes of either."""
    logits = torch.zeros(3, 6)
    logits[0, 3] = math.log(4)  # of class 0: proposals 4/6, 1/6, 1/6
    logits[1, 4] = math.log(2)  # of class 1: proposals 1/4, 2/4, 1/4
    head = Shared2FCWSDDNHead(num_classes=3, class_agnostic=True)
    (found,) = head.predict_by_feat(
        (torch.cat([torch.zeros(3, 1), BOXES], 1),), (logits,), (torch.zeros(3, 4),),
        [dict(img_shape=(32, 32))],
        ConfigDict(score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5),
                   max_per_img=9),
    )  # fmt: skip
    assert found.bboxes.tolist() == BOXES[[0, 2]].tolist()
    assert found.scores.tolist() == pytest.approx([4 / 18, 1 / 9])
    assert found.labels.tolist() == [0, 0]


def test_the_right_box_wins():
    """Two words, each of an object that shows one channel; parts and a context box."""
    torch.manual_seed(0)
    head = make_roi_head(num_refinements=1, num_classes=2)
    head.init_weights()
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    objects = torch.tensor([[0.0, 0, 12, 12], [20, 20, 32, 32], [0, 20, 12, 32]])
    x = torch.zeros(3, 2, 8, 8)  # word 0 alone, word 1 alone, both
    for image, channel, where in [(0, 0, 0), (1, 1, 1), (2, 0, 1), (2, 1, 0)]:
        left, top, right, bottom = (objects[where] / 4).int().tolist()
        x[image, channel, top:bottom, left:right] = 1
    batch = make_batch([objects] * 3, ((0,), (1,), (0, 1)))
    for _ in range(60):
        loss = sum(head.loss((x,), *batch).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = head.predict((x,), *batch, rescale=False)
    best = [
        {int(label): int(torch.cdist(box[None], objects).argmin())
         for box, label in reversed(list(zip(each.bboxes, each.labels, strict=True)))}
        for each in found
    ]  # fmt: skip
    assert best[0][0] == 0
    assert best[1][1] == 1
    assert best[2] == {0: 1, 1: 0}
    assert found[2].scores[:2].min() > 0.5
    assert (found[0].scores[found[0].labels == 1] < 0.2).all()


def test_mixed_precision():
    torch.manual_seed(0)
    head = make_roi_head(num_refinements=1)
    head.init_weights()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        x = features()
        losses = head.loss(x, *make_batch())
        found = head.predict(x, *make_batch(), rescale=False)[0]
    for name, loss in losses.items():
        assert loss.dtype == torch.float32, name
        assert torch.isfinite(loss), name
    assert found.scores.dtype == torch.float32
    sum(losses.values()).backward()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_refinements=-1), 'num_refinements is at least 0, not -1'),
        (dict(bg_weight=-1), 'bg_weight is at least 0, not -1'),
        (dict(reg_class_agnostic=False), 'reg_class_agnostic=True'),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Shared2FCWSDDNHead(num_classes=2, **options)


def test_a_mask_head_and_added_boxes_are_refused():
    sampler = dict(type='RandomSampler', num=8, pos_fraction=0.5)
    train_cfg = ConfigDict(assigner=ASSIGNER, sampler=sampler)
    with pytest.raises(ValueError, match='add_gt_as_proposals=False'):
        make_roi_head(train_cfg=train_cfg)
    with pytest.raises(ValueError, match='learns boxes only: mask_head=None'):
        make_roi_head(
            mask_roi_extractor=None, mask_head=dict(type='FCNMaskHead', num_classes=1)
        )


def test_samples_may_be_drawn():
    """RandomSampler takes some; their features are found by their places."""
    sampler = dict(
        type='RandomSampler', num=2, pos_fraction=0.5, add_gt_as_proposals=False
    )
    train_cfg = ConfigDict(assigner=ASSIGNER, sampler=sampler, pos_weight=-1)
    head = make_roi_head(num_refinements=1, train_cfg=train_cfg)
    losses = head.loss(features(), *make_batch(labels=((0,),)))
    assert torch.isfinite(sum(losses.values()))
    assert losses['loss_refine0'] > 0


def test_a_label_beyond_the_classes_is_named():
    with pytest.raises(ValueError, match=r'a\.jpg has the labels \[0, 3\].* 3 classes'):
        make_roi_head().loss(features(), *make_batch(labels=((3, 0),)))
