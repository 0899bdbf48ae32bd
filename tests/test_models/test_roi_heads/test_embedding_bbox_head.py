"""Box head whose classes are words."""

from __future__ import annotations

import math

import pytest
import torch
from mmdet.models.roi_heads.bbox_heads import BBoxHead, Shared2FCBBoxHead
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.samplers import RandomSampler
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import bbox2roi
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmdet_ovis.language.caption_words import make_word_parser
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.language.vocabularies import load_vocabulary
from mmdet_ovis.models.layers.embedding_classifier import class_scores
from mmdet_ovis.models.roi_heads.bbox_heads.embedding_bbox_head import (
    EmbeddingBBoxHead,
    WeightedEmbeddingBBoxHead,
)
from mmdet_ovis.models.roi_heads.objectness_sampler import (
    ObjectnessRandomSampler,
    ObjectnessWeightedRandomSampler,
)

DIM = 8
C4 = dict(in_channels=16, roi_feat_size=7, with_avg_pool=True, num_shared_fcs=0)
FPN = dict(
    embed_dim=DIM, in_channels=4, roi_feat_size=3, num_shared_fcs=2, fc_out_channels=12
)
TRAIN_CFG = ConfigDict(pos_weight=-1)
BOXES = torch.tensor([[0.0, 0, 16, 16], [24, 24, 48, 48]])
# One positive of either object, and two negatives.
PROPOSALS = torch.tensor(
    [[1.0, 0, 17, 16], [24, 25, 48, 49], [40, 0, 60, 20], [0, 40, 8, 60]]
)
SAMPLER = dict(num=16, pos_fraction=1.0, add_gt_as_proposals=False)


def words(n):
    return [f'word {i}' for i in range(n)]


def vectors(n, seed=0):
    everything = torch.randn(1203, DIM, generator=torch.Generator().manual_seed(seed))
    return everything[:n]


def make(n=5, kind=EmbeddingBBoxHead, **options):
    torch.manual_seed(0)
    head = kind(**(FPN | options))
    head.init_weights()
    if n:
        head.set_vocabulary(words(n), vectors(n))
    return head


def sample(labels=(0, 1), weights=None, scores=None, sampler=RandomSampler, **options):
    gt = InstanceData(bboxes=BOXES[: len(labels)], labels=torch.tensor(labels).long())
    if weights is not None:
        gt.loss_weights = torch.tensor(weights)
    priors = InstanceData(priors=PROPOSALS.clone())
    if scores is not None:
        priors.scores = torch.tensor(scores)
    assigner = MaxIoUAssigner(pos_iou_thr=0.5, neg_iou_thr=0.5, match_low_quality=False)
    made = sampler(**(SAMPLER | options))
    return made.sample(assigner.assign(priors, gt), priors, gt)


def losses(head, logits, results, bbox_pred=None):
    if bbox_pred is None:
        bbox_pred = torch.zeros(len(logits), 4)
    rois = bbox2roi([result.priors for result in results])
    found = head.loss_and_target(logits, bbox_pred, rois, results, TRAIN_CFG)
    return found['loss_bbox']


# ---------------------------------------------------------------- vocabulary


def test_cmpl_case_8_the_vocabulary_of_lvis(tmp_path):
    """Background is the last of 1204 logits, so that category 0 can be learnt."""
    names = make_word_parser(load_vocabulary('lvis'), 'parity').names
    bank = TextEmbeddingBank(names, vectors(1203).numpy())
    bank.save(tmp_path / 'lvis.npz')
    head = make(0, embeddings=str(tmp_path / 'lvis.npz'))
    head.set_vocabulary(names)
    assert head.num_classes == 1203
    result = sample(labels=(0, 0))
    labels = head.get_targets([result], TRAIN_CFG)[0]
    assert labels.tolist() == [0, 0, 1203, 1203]
    region = torch.randn(1, 4, 3, 3).expand(4, -1, -1, -1)
    logits = head(region)[0]
    assert logits.shape == (4, 1204)
    assert (logits[:, -1] == 0).all()
    losses(head, logits, [result])['loss_cls'].backward()
    with torch.no_grad():
        head.fc_emb.weight -= 0.1 * head.fc_emb.weight.grad
    before, after = (x.softmax(1)[0, 0] for x in (logits, head(region)[0]))
    assert after > before


@pytest.mark.parametrize('options', [C4, FPN], ids=['c4', 'fpn'])
def test_case_18_what_is_learnt_does_not_depend_on_the_vocabulary(options):
    trained = make(5, **options)
    state = trained.state_dict()
    assert {name.partition('.')[0] for name in state} <= {
        'fc_emb',
        'fc_reg',
        'shared_fcs',
    }
    assert state['fc_reg.weight'].shape[0] == 4
    assert state['fc_emb.weight'].shape[0] == DIM
    features = torch.randn(3, options['in_channels'], *2 * [options['roi_feat_size']])
    for number in (48, 65, 1203):
        head = make(number, **options)
        head.load_state_dict(state, strict=True)
        assert head.num_classes == number
        logits, boxes = head(features)
        assert logits.shape == (3, number + 1)
        torch.testing.assert_close(boxes, trained(features)[1])
        torch.testing.assert_close(logits[:, :5], trained(features)[0][:, :5])


def test_weights_start_as_in_the_papers():
    head = make(0, embed_dim=512)
    assert head.fc_emb.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert head.fc_emb.bias.abs().sum() == 0
    assert head.fc_reg.weight.std().item() == pytest.approx(0.001, rel=0.3)


def test_case_16_gradients_stop_at_the_text():
    head = make(3)
    logits, _ = head(torch.randn(2, 4, 3, 3))
    logits.sum().backward()
    assert head.fc_emb.weight.grad.abs().sum() > 0
    names = {name for name, _ in head.named_parameters()}
    assert not any('vectors' in name for name in names)
    assert head.classifier.class_vectors.grad is None


def test_embeddings_are_what_is_classified():
    head = make(3)
    features = torch.randn(2, 4, 3, 3)
    embeddings, boxes = head.embed(features)
    logits, same_boxes = head(features)
    assert embeddings.shape == (2, DIM)
    torch.testing.assert_close(logits[:, :3], embeddings @ vectors(3).T)
    assert logits[:, 3].tolist() == [0, 0]
    assert torch.equal(boxes, same_boxes)


def test_case_19_another_vocabulary_and_back():
    head = make(5)
    features = torch.randn(2, 4, 3, 3)
    before = head(features)[0]
    with head.using_vocabulary(words(65), vectors(65, 1), words(70)[66:], vectors(4)):
        assert head(features)[0].shape == (2, 66)
        assert head.vocabulary == tuple(words(65))
        assert head.background == tuple(words(70)[66:])
        with head.using_vocabulary(['a'], vectors(1)):
            assert head.num_classes == 1
            assert head.background == ()
        assert head.num_classes == 65
    assert torch.equal(head(features)[0], before)
    assert head.vocabulary == tuple(words(5))
    assert head.num_classes == 5
    assert head.background == ()


def test_case_19_the_vocabulary_comes_back_after_an_error():
    head = make(5)
    with (
        pytest.raises(ZeroDivisionError),
        head.using_vocabulary(['a'], vectors(1)),
    ):
        head.num_classes / 0
    assert head.vocabulary == tuple(words(5))


def test_a_vocabulary_that_is_refused_changes_nothing():
    head = make(5)
    before = head.installed
    for arguments, message in (
        ((['a', 'b', 'A'], vectors(3)), 'given twice: a'),
        ((['a', 'b'], vectors(3)), '2 names for 3'),
        ((['a'], vectors(1)[:, :4]), 'embed_dim is'),
        (([], vectors(0)), 'at least one name'),
        ((['a'], vectors(1), ['sky'], 0 * vectors(1)), r'background_vectors\[0\] is'),
    ):
        with pytest.raises(ValueError, match=message):
            head.set_vocabulary(*arguments)
    assert all(a is b for a, b in zip(head.installed, before, strict=True))


def test_installed_vocabularies_are_taken_back_without_a_look_up():
    head = make(5)
    few = head.installed
    head.set_vocabulary(words(9), vectors(9))
    many = head.installed
    for state, number in ((few, 5), (many, 9), (few, 5)):
        head.install(state)
        assert head.num_classes == len(head.vocabulary) == number
        assert head(torch.randn(1, 4, 3, 3))[0].shape == (1, number + 1)


def test_an_installed_vocabulary_for_a_while():
    head = make(9)
    many = head.installed
    head.set_vocabulary(words(5), vectors(5))
    before = head.installed
    with head.using_installed(many):
        assert head.vocabulary == tuple(words(9))
        assert head(torch.randn(1, 4, 3, 3))[0].shape == (1, 10)
    with pytest.raises(ZeroDivisionError), head.using_installed(many):
        head.num_classes / 0
    assert head.num_classes == 5
    assert all(a is b for a, b in zip(head.installed, before, strict=True))


def test_messages_about_vocabularies():
    head = make(0)
    with pytest.raises(ValueError, match="type='VocabularyHook'"):
        head(torch.randn(1, 4, 3, 3))
    with pytest.raises(ValueError, match='given twice: a'):
        head.set_vocabulary(['a', 'A'], vectors(2))
    with pytest.raises(ValueError, match='given twice: a'):
        head.set_vocabulary(['a'], vectors(1), ['a'], vectors(1))
    with pytest.raises(ValueError, match='2 names for 3 text vectors'):
        head.set_vocabulary(['a', 'b'], vectors(3))
    with pytest.raises(ValueError, match=r'no text embedding bank: .*prepare_text'):
        head.set_vocabulary(['a'])


def test_order_of_words_permutes_labels_only():
    """Case 24, at the level of scores."""
    head = make(6)
    features = torch.randn(4, 4, 3, 3)
    scores = head(features)[0].softmax(-1)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    head.set_vocabulary([words(6)[i] for i in order], vectors(6)[order])
    shuffled = head(features)[0].softmax(-1)
    torch.testing.assert_close(shuffled[:, :-1], scores[:, order])
    torch.testing.assert_close(shuffled[:, -1], scores[:, -1])


def test_case_20_a_frozen_projection_stays_and_all_else_learns():
    head = make(5, freeze_emb=True)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    optimizer = torch.optim.SGD(
        head.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1
    )
    for _ in range(3):
        logits, boxes = head(torch.randn(4, 4, 3, 3))
        optimizer.zero_grad()
        (logits.logsumexp(1).sum() + boxes.square().sum()).backward()
        optimizer.step()
    after = head.state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert changed == before.keys() - {'fc_emb.weight', 'fc_emb.bias'}


# ---------------------------------------------------------------- losses


def test_case_17_weighted_cross_entropy():
    head = make(2)
    # One positive and three negatives; all logits 0.
    labels = torch.tensor([0, 2, 2, 2])
    weights = torch.tensor([1, 0.2, 0.2, 0.2])
    found = head.loss(
        torch.zeros(4, 3), None, None, labels, weights, None, None
    )  # fmt: skip
    assert found['loss_cls'].item() == pytest.approx(1.6 * math.log(3) / 4, rel=1e-5)


def test_case_17_negatives_get_their_weight_from_the_head():
    head = make(2)
    results = [sample(), sample(labels=[1])]
    _, weights, _, _ = head.get_targets(results, TRAIN_CFG, concat=False)
    for of_image, expected in zip(
        weights, ([1, 1, 0.2, 0.2], [1, 0.2, 0.2, 0.2]), strict=True
    ):
        assert of_image.tolist() == pytest.approx(expected)
    found = losses(head, torch.zeros(8, 3), results)
    expected = (3 + 5 * 0.2) * math.log(3) / 8  # by the number of samples
    assert found['loss_cls'].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('through', ['label_weights', 'class_weight'])
def test_cmpl_case_7_weighted_cross_entropy(through):
    # In the order of mmdet: class 1, class 2, background.
    logits = torch.tensor([[1.0, 2, 0]]).repeat(4, 1)
    labels = torch.tensor([2, 0, 1, 2])
    weights = torch.ones(4)
    if through == 'label_weights':
        head = make(2)
        weights[labels == 2] = head.bg_weight
    else:
        cross_entropy = dict(type='CrossEntropyLoss', class_weight=[1.0, 1.0, 0.2])
        head = make(2, loss_cls=cross_entropy)
    found = head.loss(logits, None, None, labels, weights, None, None)
    assert found['loss_cls'].item() == pytest.approx(0.694564, abs=1e-5)


def test_weights_of_1_give_the_losses_of_mmdet():
    results = [sample(), sample(labels=[1])]
    logits, boxes = torch.randn(8, 3), torch.randn(8, 4)
    ours = losses(make(2, bg_weight=1.0), logits, results, boxes)
    common = {key: FPN[key] for key in ('in_channels', 'roi_feat_size')}
    plain = Shared2FCBBoxHead(num_classes=2, reg_class_agnostic=True, **common)
    theirs = losses(plain, logits, results, boxes)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name


def test_background_follows_the_vocabulary():
    head, results = make(5), [sample(labels=[4, 0])]
    assert head.get_targets(results, TRAIN_CFG)[0].tolist() == [4, 0, 5, 5]
    head.set_vocabulary(words(1203), vectors(1203))
    assert head.get_targets(results, TRAIN_CFG)[0].tolist() == [4, 0, 1203, 1203]


def test_weights_of_negatives_multiply():
    head, result = make(2), sample()
    result.neg_weights = torch.tensor([0.0, 0.5])
    _, weights, _, _ = head.get_targets([result], TRAIN_CFG)
    assert weights.tolist() == pytest.approx([1, 1, 0, 0.1])
    logits = torch.zeros(4, 3, requires_grad=True)
    loss = losses(head, logits, [result])['loss_cls']
    assert loss.item() == pytest.approx(2.1 * math.log(3) / 3, rel=1e-5)
    loss.backward()
    assert (logits.grad[2] == 0).all()


def test_pseudo_instances_weigh_what_their_weights_say():
    head = make(2, WeightedEmbeddingBBoxHead)
    result = sample_weighted = sample(weights=[1.0, 0.25], **WEIGHTED)
    _, weights, _, box_weights = head.get_targets([result], TRAIN_CFG)
    assert weights.tolist() == pytest.approx([1, 0.25, 0.2, 0.2])
    assert box_weights[:, 0].tolist() == [1, 0.25, 0, 0]
    plain = losses(make(2), torch.zeros(4, 3), [sample()])
    found = losses(head, torch.zeros(4, 3), [sample_weighted])
    assert found['loss_cls'].item() < plain['loss_cls'].item()


def test_without_samples_losses_are_0_and_reach_all_parameters():
    """Otherwise a process that trains with others would make them wait for ever."""
    head = make(3, num_shared_fcs=2)
    nothing = InstanceData(priors=torch.zeros(0, 4))
    gt = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    assigner = MaxIoUAssigner(pos_iou_thr=0.5, neg_iou_thr=0.5)
    result = RandomSampler(**SAMPLER).sample(assigner.assign(nothing, gt), nothing, gt)
    logits, boxes = head(torch.zeros(0, 4, 3, 3))
    found = losses(head, logits, [result], boxes)
    assert found['loss_cls'].item() == found['loss_bbox'].item() == 0
    (found['loss_cls'] + found['loss_bbox']).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad == 0).all()


@pytest.mark.parametrize(
    'options',
    [
        dict(logit_mode='cosine', bg_mode='learned', logit_scale='learn'),
        dict(bg_mode='mean', normalize_text=True),
        dict(class_chunk=2),
    ],
)
def test_every_parameter_learns_under_mixed_precision(options):
    head = make(5, **options)
    with torch.autocast('cpu', torch.bfloat16):
        logits, boxes = head(torch.randn(4, 4, 3, 3))
        found = losses(head, logits, [sample()], boxes)
        total = found['loss_cls'] + found['loss_bbox']
    assert logits.dtype == found['loss_cls'].dtype == torch.float32
    total.backward()
    for name, parameter in head.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


# ---------------------------------------------------------------- unlabelled objects

WEIGHTED = dict(sampler=TASK_UTILS.get('WeightedRandomSampler'))
SCORED = dict(sampler=ObjectnessRandomSampler, scores=[0.5, 0.6, 0.95, 0.7])


def test_objectness_of_negatives_is_passed_on():
    result = sample(**SCORED)
    assert result.neg_scores.tolist() == pytest.approx([0.95, 0.7])
    with_objects = sample(**SCORED, add_gt_as_proposals=True)
    assert len(with_objects.pos_inds) == 4
    assert with_objects.neg_scores.tolist() == pytest.approx([0.95, 0.7])
    both = sample(
        weights=[1.0, 0.5],
        sampler=ObjectnessWeightedRandomSampler,
        scores=SCORED['scores'],
    )
    assert both.neg_scores.tolist() == pytest.approx([0.95, 0.7])
    assert both.pos_weights.tolist() == [1, 0.5]
    with pytest.raises(ValueError, match='needs the scores of proposals'):
        sample(sampler=ObjectnessRandomSampler)


def test_negatives_that_look_like_objects_are_left_out():
    head = make(2, ignore_unlabelled_neg=dict(min_objectness=0.9, min_score=0.5))
    logits = torch.zeros(4, 3)
    logits[2:, 0] = 2  # both negatives look like word 0, one is no object for the RPN
    result = sample(**SCORED)
    logits.requires_grad_()
    losses(head, logits, [result])['loss_cls'].backward()
    assert result.neg_weights.tolist() == [0, 1]
    assert (logits.grad[2] == 0).all()
    assert logits.grad[3].abs().sum() > 0
    # The other condition: what looks like no word stays.
    result = sample(**SCORED)
    losses(head, torch.zeros(4, 3), [result])
    assert result.neg_weights.tolist() == [1, 1]


def test_left_out_negatives_of_several_images():
    head = make(2, ignore_unlabelled_neg=dict(min_objectness=0.6, min_score=0.5))
    results = [sample(**SCORED), sample(labels=[1], **SCORED)]
    results[1].neg_weights = torch.tensor([1.0, 0.5, 0.5])
    logits = torch.zeros(8, 3)
    logits[[3, 6], 1] = 2
    losses(head, logits, results)
    assert results[0].neg_weights.tolist() == [1, 0]
    assert results[1].neg_weights.tolist() == [1, 0, 0.5]


def test_leaving_out_takes_a_sampler_with_objectness():
    head = make(2, ignore_unlabelled_neg={})
    with pytest.raises(ValueError, match=r"sampler\.type='ObjectnessRandomSampler'"):
        losses(head, torch.zeros(4, 3), [sample()])


# ---------------------------------------------------------------- prediction

META = dict(img_shape=(64, 64), scale_factor=(0.5, 0.5))
TEST_CFG = ConfigDict(
    score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100
)


def predict(head, logits, boxes=None, cfg=TEST_CFG, **options):
    boxes = PROPOSALS[: len(logits)] if boxes is None else boxes
    rois = bbox2roi([boxes])
    deltas = torch.zeros(len(logits), 4)
    (result,) = head.predict_by_feat(
        (rois,), (logits,), (deltas,), [META], rcnn_test_cfg=cfg, **options
    )
    return result


def test_softmax_gives_the_detections_of_mmdet():
    torch.manual_seed(0)
    logits = torch.randn(4, 6)
    ours = predict(make(5), logits, rescale=True)
    plain = BBoxHead(num_classes=5, reg_class_agnostic=True)
    theirs = predict(plain, logits, rescale=True)
    for key in ('bboxes', 'scores', 'labels'):
        torch.testing.assert_close(ours[key], theirs[key])
    assert len(ours) > 4


@pytest.mark.parametrize(
    ('options', 'score'),
    [({}, 0.09), (dict(score_mode='sigmoid'), 0.9),
     (dict(score_mode='softmax_topm', top_m=1), 0.9)],
)  # fmt: skip
def test_case_24_scores_among_distractors(options, score):
    logits = torch.zeros(1, 92)
    logits[0, 7] = math.log(9)
    result = predict(make(91, **options), logits)
    assert result.labels[0] == 7
    assert result.scores[0].item() == pytest.approx(score)


def test_case_24_one_word():
    logits = torch.tensor([[1.5, 0.0]])
    result = predict(make(1), logits)
    assert result.scores.tolist() == pytest.approx([torch.tensor(1.5).sigmoid().item()])


def test_case_24_background_words_never_appear():
    head = make(0)
    names, words_of_background = ['dog'], ['sky', 'wall']
    head.set_vocabulary(
        names, torch.eye(DIM)[:1], words_of_background, torch.eye(DIM)[1:3]
    )
    embeddings = torch.zeros(2, DIM)
    embeddings[0, 1], embeddings[1, 0] = 6, 6  # a wall, and a dog
    result = predict(head, head.classifier(embeddings))
    assert result.labels.tolist() == [0]
    assert result.bboxes.tolist() == [PROPOSALS[1].tolist()]
    expected = math.exp(6) / (math.exp(6) + 3)  # background, sky and wall
    assert result.scores.item() == pytest.approx(expected)


def test_raw_results_for_teachers():
    logits = torch.randn(4, 4)
    result = predict(make(3, score_mode='sigmoid'), logits, cfg=None)
    assert torch.equal(result.bboxes, PROPOSALS)
    assert torch.equal(result.scores, class_scores(logits, 'sigmoid'))


@pytest.mark.parametrize('number', [1, 1203])
def test_no_proposal_gives_no_detection(number):
    head = make(number)
    result = predict(head, torch.zeros(0, number + 1))
    assert result.bboxes.shape == (0, 4)
    assert len(result.scores) == len(result.labels) == 0
    raw = predict(head, torch.zeros(0, number + 1), cfg=None)
    assert raw.scores.shape == (0, number + 1)


def test_class_agnostic_suppression_keeps_one_of_two_near_synonyms():
    logits = torch.tensor([[2.0, 1.9, 0.0]])
    assert len(predict(make(2), logits)) == 2
    agnostic = ConfigDict(TEST_CFG | {'nms': TEST_CFG.nms | {'class_agnostic': True}})
    assert predict(make(2), logits, cfg=agnostic).labels.tolist() == [0]


def test_half_precision_scores_are_single():
    result = predict(make(5), torch.randn(4, 6).half())
    assert result.scores.dtype == torch.float32


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_classes=80), r'takes no num_classes.*_delete_=True'),
        (dict(reg_class_agnostic=False), 'reg_class_agnostic=True'),
        (dict(bg_weight=0), 'bg_weight is above 0, not 0'),
        (dict(score_mode='max'), 'score_mode is one of'),
        (dict(logit_mode='cosine'), "takes bg_mode='learned' or 'mean'"),
        (dict(vocabulary=['a']), 'no text embedding bank'),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingBBoxHead(**(FPN | options))


def test_registered():
    assert MODELS.get('EmbeddingBBoxHead') is EmbeddingBBoxHead
    assert MODELS.get('WeightedEmbeddingBBoxHead') is WeightedEmbeddingBBoxHead
    assert TASK_UTILS.get('ObjectnessRandomSampler') is ObjectnessRandomSampler
