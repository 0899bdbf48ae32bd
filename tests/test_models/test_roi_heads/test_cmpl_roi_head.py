"""RoI head that learns from words and regions."""

from __future__ import annotations

import pytest
import torch
from cmpl_case import (
    BASE,
    HEIGHT,
    WIDTH,
    detector_config,
    images,
    make_model,
    make_sample,
    vectors,
)
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from ov_case import DIM
from torch.nn import functional

from mmdet_ovis.models.layers import crop_mask_targets
from mmdet_ovis.models.layers.vocabulary_mixin import InstalledVocabulary
from mmdet_ovis.models.roi_heads import CMPLRoIHead
from mmdet_ovis.models.roi_heads.cmpl_roi_head import first_class_as_background
from mmdet_ovis.models.roi_heads.region_labelling import ImageWords

OBJECT = torch.tensor([[8.0, 8, 40, 56]])
# On the object, a part of it, and two elsewhere.
REGIONS = torch.tensor(
    [[8.0, 8, 40, 52], [9, 10, 41, 50], [60, 10, 90, 50], [70, 60, 120, 90]]
)
NOBODY = torch.zeros(0, 4)


def vocabulary(number=5):
    names = tuple(f'word {i}' for i in range(number))
    vectors = torch.randn(number, DIM, generator=torch.Generator().manual_seed(1))
    return InstalledVocabulary(names, (), vectors, torch.zeros(0, DIM))


def pseudo(labels=(0,), boxes=OBJECT):
    masks = torch.zeros(len(boxes), HEIGHT, WIDTH, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.long().tolist(), strict=True):
        mask[y1:y2, x1 : (x1 + x2) // 2] = True  # the left half
    return InstanceData(
        bboxes=boxes, labels=torch.tensor(labels).long().view(-1), masks=masks
    )


def annotated(boxes, *labels):
    """Annotated objects that the words do not name, unless labels say so."""
    labels = torch.tensor(labels or [-1] * len(boxes)).long()
    return InstanceData(bboxes=boxes, labels=labels)


NOTHING = annotated(NOBODY)


@pytest.fixture(scope='module')
def shared_student():
    with DefaultScope.overwrite_default_scope('mmdet'):
        return make_model()


@pytest.fixture
def student(shared_student, monkeypatch):
    """The head; its settings are those of before after the test."""
    head = shared_student.student.roi_head
    for name in (
        'pseudo_targets', 'pseudo_background', 'labelled_objects',
        'unlabelled_neg_weight',
    ):  # fmt: skip
        monkeypatch.setattr(head, name, getattr(head, name))
    shared_student.zero_grad()
    return head


@pytest.fixture(scope='module')
def maps(shared_student):
    with torch.no_grad():
        return shared_student.extract_feat(images(1))


@pytest.fixture
def seen(student, monkeypatch):
    """What the losses get, by name."""
    calls = {}
    bbox_loss, mask_loss = student.bbox_head.loss, student.mask_head.noisy_loss

    def record_boxes(scores, boxes, rois, labels, weights, targets, box_weights):
        scores.retain_grad()
        calls.update(
            scores=scores, rois=rois, labels=labels, weights=weights,
            box_weights=box_weights,
        )  # fmt: skip
        return bbox_loss(scores, boxes, rois, labels, weights, targets, box_weights)

    def record_masks(features, targets):
        calls.update(features=features, targets=targets)
        return mask_loss(features, targets)

    monkeypatch.setattr(student.bbox_head, 'loss', record_boxes)
    monkeypatch.setattr(student.mask_head, 'noisy_loss', record_masks)
    return calls


def learn(head, maps, instances=None, words=None, labelled=NOTHING, regions=REGIONS):
    """Losses of one image."""
    instances = pseudo() if instances is None else instances
    words = words or vocabulary()
    proposals = [InstanceData(bboxes=regions)]
    return head.pseudo_loss(maps, proposals, [instances], words, [labelled])


def test_losses_are_those_of_the_samples(student, maps, seen):
    losses, sigma = learn(student, maps)
    assert losses.keys() == {'loss_cls', 'loss_bbox', 'loss_mask', 'acc'}
    assert seen['labels'].tolist() == [0, 0, 5, 5]
    assert seen['weights'].tolist() == pytest.approx([1, 1, 0.2, 0.2])
    assert seen['box_weights'].mean(1).tolist() == [1, 1, 0, 0]
    entropy = functional.cross_entropy(seen['scores'], seen['labels'], reduction='none')
    expected = (entropy * seen['weights']).sum() / 4
    assert losses['loss_cls'].item() == pytest.approx(expected.item(), rel=1e-5)
    assert sigma.shape == (2, 28, 28)
    expected = crop_mask_targets(
        pseudo().masks, REGIONS[:2], torch.tensor([0, 0]), (28, 28)
    )
    assert torch.equal(seen['targets'], expected)
    assert 0.4 < expected.mean() < 0.6
    assert losses['loss_bbox'].item() > 0


def test_cmpl_case_8_the_first_of_1203_words_can_be_learnt(student, maps, seen):
    losses, _ = learn(student, maps, pseudo([0]), vocabulary(1203))
    assert seen['scores'].shape == (4, 1204)
    assert seen['labels'].tolist() == [0, 0, 1203, 1203]
    losses['loss_cls'].backward()
    gradient = seen['scores'].grad
    assert (gradient[:2, 0] < 0).all()  # more of category 0
    assert (gradient[:2, 1:] > 0).all()
    assert (gradient[2:, 1203] < 0).all()
    assert (gradient[2:, 0] > 0).all()


def test_the_first_class_is_the_background_of_the_published_code(student, maps, seen):
    """Category 0 itself is never learnt."""
    student.pseudo_background = 'first_class'
    losses, sigma = learn(student, maps, pseudo([3]), vocabulary(1203))
    assert seen['scores'].shape == (4, 1203)
    assert seen['labels'].tolist() == [3, 3, 0, 0]
    assert seen['weights'].tolist() == pytest.approx([1, 1, 0.2, 0.2])
    assert len(sigma) == 2
    learn(student, maps, pseudo([0]), vocabulary(1203))
    assert seen['labels'].tolist() == [0, 0, 0, 0]
    assert seen['weights'].tolist() == pytest.approx([0.2] * 4)
    assert len(seen['targets']) == 0
    losses, sigma = learn(student, maps, pseudo([0]), vocabulary(1203))
    assert losses['loss_bbox'].item() == losses['loss_mask'].item() == 0
    assert len(sigma) == 0


def test_positives_of_the_first_class_become_negatives():
    weights = torch.ones(4, 4) * torch.tensor([[1.0], [1.0], [0.0], [0.0]])
    targets = torch.randn(4, 4)
    labels, label_weights, same, box_weights = first_class_as_background(
        torch.tensor([2, 0, 5, 5]),
        torch.tensor([1, 1, 0.2, 0.1]),
        targets,
        weights,
        0.2,
    )
    assert labels.tolist() == [2, 0, 0, 0]
    assert label_weights.tolist() == pytest.approx([1, 0.2, 0.2, 0.1])
    assert same is targets
    assert box_weights[:, 0].tolist() == [1, 0, 0, 0]


def test_masks_grow_in_the_published_code(student, maps, seen):
    learn(student, maps)
    ours = seen['targets']
    student.pseudo_targets = 'any'
    learn(student, maps)
    theirs = seen['targets']
    expected = crop_mask_targets(
        pseudo().masks, REGIONS[:2], torch.tensor([0, 0]), (28, 28), 'any'
    )
    assert torch.equal(theirs, expected)
    assert theirs.sum() > ours.sum()


def test_cmpl_case_20_nothing_is_learnt_from_annotated_objects(student, maps, seen):
    """As if the regions on them had not been proposed."""
    person = annotated(REGIONS[2:3] + 1, 3)
    losses, _ = learn(student, maps, labelled=person)
    assert seen['labels'].tolist() == [0, 0, 5]
    assert REGIONS[2].tolist() not in seen['rois'][:, 1:].tolist()
    others = REGIONS[[0, 1, 3]]
    expected, _ = learn(student, maps, regions=others)
    for name in ('loss_cls', 'loss_bbox'):
        torch.testing.assert_close(losses[name], expected[name])
    # Also where a pseudo object is: the annotation knows better.
    losses, sigma = learn(student, maps, labelled=annotated(OBJECT))
    assert seen['labels'].tolist() == [5, 5]
    assert losses['loss_mask'].item() == 0
    assert len(sigma) == 0


def test_annotated_objects_may_be_told_from_words(student, maps, seen):
    """Their class and box are learnt, their mask is not; other names are left alone."""
    student.labelled_objects = 'classified'
    person = annotated(REGIONS[2:3] + 1, 3)
    _, sigma = learn(student, maps, labelled=person)
    assert sorted(seen['labels'].tolist()) == [0, 0, 3, 5]
    assert seen['weights'][seen['labels'] == 3].item() == 1
    assert seen['rois'][seen['labels'] == 3, 1:].tolist() == REGIONS[2:3].tolist()
    assert (seen['box_weights'][seen['labels'] == 3] == 1).all()
    expected = crop_mask_targets(
        pseudo().masks, REGIONS[:2], torch.tensor([0, 0]), (28, 28)
    )
    assert torch.equal(seen['targets'], expected)
    assert len(sigma) == 2
    both = annotated(REGIONS[2:] + 1, 3, -1)
    learn(student, maps, labelled=both)
    assert sorted(seen['labels'].tolist()) == [0, 0, 3]
    learn(student, maps, labelled=None)
    assert seen['labels'].tolist() == [0, 0, 5, 5]


def test_negatives_weigh_less_where_nobody_annotated(student, maps, seen):
    learn(student, maps, labelled=None)
    assert seen['labels'].tolist() == [0, 0, 5, 5]
    assert seen['weights'].tolist() == pytest.approx([1, 1, 0.1, 0.1])
    student.unlabelled_neg_weight = 1.0
    learn(student, maps, labelled=None)
    assert seen['weights'].tolist() == pytest.approx([1, 1, 0.2, 0.2])
    student.unlabelled_neg_weight = 0.0
    losses, _ = learn(student, maps, labelled=None)
    entropy = functional.cross_entropy(seen['scores'][:2], seen['labels'][:2])
    assert losses['loss_cls'].item() == pytest.approx(entropy.item(), rel=1e-5)


def test_pseudo_boxes_are_no_samples_unless_asked_for(maps, seen, student):
    learn(student, maps)
    assert len(seen['rois']) == 4
    learn(student, maps, regions=REGIONS[2:])
    assert seen['labels'].tolist() == [5, 5]
    sampler = dict(add_gt_as_proposals=True)
    head = make_model(roi_head=dict(pseudo_train_cfg=dict(sampler=sampler)))
    result = head.student.roi_head._sample(
        InstanceData(bboxes=REGIONS[2:]), pseudo(), NOBODY
    )
    assert result.pos_priors.tolist() == OBJECT.tolist()
    assert (
        head.student.roi_head.bbox_sampler is not head.student.roi_head.pseudo_sampler
    )


def test_the_assigner_is_a_setting(maps):
    """That of mmdet takes no notice of annotated objects."""
    assigner = dict(
        type='MaxIoUAssigner', pos_iou_thr=0.95, neg_iou_thr=0.95,
        match_low_quality=False, ignore_iof_thr=-1,
    )  # fmt: skip
    model = make_model(roi_head=dict(pseudo_train_cfg=dict(assigner=assigner)))
    head = model.student.roi_head
    labelled = annotated(REGIONS[2:3])
    result = head._sample(InstanceData(bboxes=REGIONS), pseudo(), labelled)
    assert len(result.pos_priors) == 0
    assert len(result.neg_priors) == 4


def test_the_vocabulary_is_that_of_before(student, maps, monkeypatch):
    before = student.bbox_head.installed
    learn(student, maps)
    assert student.bbox_head.vocabulary == BASE
    assert all(a is b for a, b in zip(student.bbox_head.installed, before, strict=True))

    def fail(*args):
        raise ZeroDivisionError

    monkeypatch.setattr(student.bbox_head, 'get_targets', fail)
    with pytest.raises(ZeroDivisionError):
        learn(student, maps)
    assert student.bbox_head.vocabulary == BASE


def test_cmpl_case_9_without_positives(student, maps, shared_student):
    """Losses of boxes and masks are 0; all parameters have gradients."""
    losses, sigma = learn(student, maps, regions=REGIONS[2:])
    assert losses['loss_bbox'].item() == losses['loss_mask'].item() == 0
    assert losses['loss_cls'].item() > 0
    assert sigma.shape == (0, 28, 28)
    (losses['loss_cls'] + losses['loss_bbox'] + losses['loss_mask']).backward()
    for name, parameter in student.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_without_any_sample(student, maps):
    losses, sigma = learn(student, maps, regions=NOBODY)
    assert {name: loss.item() for name, loss in losses.items()} == dict.fromkeys(
        ('loss_cls', 'loss_bbox', 'loss_mask', 'acc'), 0
    )
    assert len(sigma) == 0


def test_images_have_their_own_masks(student, shared_student, seen):
    maps = shared_student.extract_feat(images(3))
    other = pseudo([4, 1], torch.tensor([[60.0, 10, 90, 50], [70, 60, 120, 90]]))
    student.pseudo_loss(
        maps,
        [InstanceData(bboxes=REGIONS)] * 3,
        [pseudo(), other, pseudo((), NOBODY)],
        vocabulary(),
        [NOTHING, None, NOTHING],
    )
    assert seen['labels'].tolist() == [0, 0, 5, 5, 4, 1, 5, 5, 5, 5, 5, 5]
    expected = torch.cat(
        [
            crop_mask_targets(
                pseudo().masks, REGIONS[:2], torch.zeros(2).long(), (28, 28)
            ),
            crop_mask_targets(other.masks, REGIONS[2:], torch.arange(2), (28, 28)),
        ]
    )
    assert torch.equal(seen['targets'], expected)


def c4_head():
    """The published network, narrow: boxes and masks share res5."""
    roi_head = detector_config().roi_head
    roi_head.pop('mask_roi_extractor')
    roi_head.update(
        shared_head=dict(type='ResLayer', depth=18, stage=3, stride=2, style='caffe',
                         norm_cfg=dict(type='BN', requires_grad=False)),
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor', featmap_strides=[16], out_channels=256,
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=1),
        ),
        bbox_head=dict(type='EmbeddingBBoxHead', in_channels=512, roi_feat_size=7,
                       with_avg_pool=True, embed_dim=DIM),
        mask_head=dict(type='NoisyFCNMaskHead', num_convs=0, in_channels=512,
                       conv_out_channels=8),
        train_cfg=ConfigDict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5,
                          min_pos_iou=0.5, match_low_quality=False),
            sampler=dict(type='RandomSampler', num=16, pos_fraction=1.0,
                         neg_pos_ub=-1, add_gt_as_proposals=True),
            mask_size=14, pos_weight=-1, debug=False,
        ),
        test_cfg=None,
    )  # fmt: skip
    torch.manual_seed(0)
    head = MODELS.build(roi_head)
    head.bbox_head.set_vocabulary(BASE, torch.randn(2, DIM))
    return head.train()


def test_masks_share_the_features_of_boxes_in_the_published_network(monkeypatch):
    head, calls = c4_head(), {}
    noisy_loss = head.mask_head.noisy_loss

    def record(features, targets):
        calls.update(features=features, targets=targets)
        return noisy_loss(features, targets)

    monkeypatch.setattr(head.mask_head, 'noisy_loss', record)
    maps = (torch.randn(2, 256, 6, 8),)
    losses, sigma = head.pseudo_loss(
        maps, [InstanceData(bboxes=REGIONS.flip(0)), InstanceData(bboxes=REGIONS)],
        [pseudo([2]), pseudo([1])], vocabulary(), [NOTHING, NOTHING],
    )  # fmt: skip
    assert sigma.shape == (4, 14, 14)
    rois = bbox2roi([REGIONS[:2].flip(0), REGIONS[:2]])
    expected = head.shared_head(head.bbox_roi_extractor(maps, rois))
    torch.testing.assert_close(calls['features'], expected)
    sum(loss.sum() for name, loss in losses.items() if name != 'acc').backward()
    for name, parameter in head.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(pseudo_targets='all'), 'pseudo_targets is one of threshold, any, not'),
        (dict(pseudo_background='last'), 'pseudo_background is one of own'),
        (dict(unlabelled_neg_weight=2), r'unlabelled_neg_weight is in \[0, 1\], not 2'),
        (dict(alignment=dict(choose='best')), "alignment has the .*, not 'choose'"),
        (dict(labelled_objects='learnt'), "is one of .*, classified, not 'learnt'"),
        (dict(alignment=dict(choice='best')), "choice is one of .*, not 'best'"),
        (dict(pseudo_train_cfg=dict(nms=1)), 'pseudo_train_cfg has the keys assigner'),
        (dict(mask_head=dict(type='FCNMaskHead')), "needs mask_head=dict.type='Noisy"),
        (dict(bbox_head=dict(_delete_=True, type='Shared2FCBBoxHead')),
         "needs bbox_head=dict.type='EmbeddingBBoxHead'.*, not 'Shared2FCBBoxHead'"),
    ],
)  # fmt: skip
def test_unknown_settings_are_refused(changes, message):
    detector = detector_config(**changes)
    roi_head = detector.roi_head
    roi_head.update(train_cfg=detector.train_cfg.rcnn, test_cfg=detector.test_cfg.rcnn)
    with pytest.raises(ValueError, match=message):
        MODELS.build(roi_head)


def test_without_settings_of_training_it_labels_and_detects(shared_student, maps):
    """As a head with them does."""
    detector = detector_config()
    detector.roi_head.update(train_cfg=None, test_cfg=detector.test_cfg.rcnn)
    head = MODELS.build(detector.roi_head).eval()
    trained = shared_student.teacher.roi_head
    head.load_state_dict(trained.state_dict())
    head.bbox_head.set_vocabulary(BASE, vectors(BASE))
    assert not hasattr(head, 'pseudo_sampler')
    proposals = [InstanceData(bboxes=REGIONS, scores=torch.ones(4))]
    sample = make_sample()
    words = ([ImageWords(('dog', 'cat'), (2, 3))], [vocabulary().class_vectors[2:4]])
    for one, other in zip(
        head.label_regions(maps, proposals, *words, [sample.metainfo], [NOBODY])
        + head.predict(maps, proposals, [sample]),
        trained.label_regions(maps, proposals, *words, [sample.metainfo], [NOBODY])
        + trained.predict(maps, proposals, [sample]),
        strict=True,
    ):
        assert len(one) == len(other) > 0
        for key in ('bboxes', 'labels', 'scores', 'masks'):
            assert torch.equal(one[key], other[key]), key


def test_registered():
    assert MODELS.get('CMPLRoIHead') is CMPLRoIHead
