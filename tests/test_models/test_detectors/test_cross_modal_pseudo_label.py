"""A student that learns words of captions from the pseudo labels of a teacher."""

from __future__ import annotations

import itertools

import pytest
import torch
from cmpl_case import (
    BASE,
    CAPTION,
    combine,
    compute_losses,
    counted,
    detector_config,
    fix_randomness,
    images,
    make_model,
    make_sample,
    total,
    vectors,
)
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from ov_case import DIM, write_bank

from mmdet_ovis.models.detectors import CrossModalPseudoLabel
from mmdet_ovis.models.losses import PseudoLabelWeighting
from mmdet_ovis.utils.checkpoint import CheckpointError, load_model_checkpoint

KINDS = {
    'gt': dict(),
    'captions': dict(words=['dog', 'cat'], boxes=None),
    'both': dict(words=['bus', 'man']),
    'neither': dict(boxes=None),
}
KEYS = {
    *(f'{kind}_{name}' for kind in ('sup', 'pseudo')
      for name in ('loss_cls', 'loss_bbox', 'loss_mask', 'acc')),
    'pseudo_sigma', 'pseudo_weight', 'pseudo_number',
}  # fmt: skip


def of_kinds(*kinds):
    return [make_sample(**KINDS[kind]) for kind in kinds]


def values(losses):
    return {name: loss.sum().item() for name, loss in losses.items()}


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(before, module):
    after = module.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) for name, value in one.items()
    )


@pytest.fixture(scope='module')
def shared_model():
    with DefaultScope.overwrite_default_scope('mmdet'):
        return make_model()


@pytest.fixture
def model(shared_model, monkeypatch):
    """For tests that change no weights; settings are those of before afterwards."""
    monkeypatch.setattr(shared_model, 'weighting', shared_model.weighting)
    monkeypatch.setattr(
        shared_model, 'semi_train_cfg', dict(shared_model.semi_train_cfg)
    )
    shared_model.zero_grad()
    return shared_model


@pytest.fixture
def fixed(monkeypatch):
    fix_randomness(monkeypatch)


# ---------------------------------------------------------------- what learns


def test_cmpl_case_14_parameters_of_the_published_student(root):
    """res5, projection, boxes, masks and noise."""
    cfg = Config.fromfile(root / 'configs/_base_/models/ov_mask_rcnn_r50_c4.py')
    detector = cfg.model
    detector.backbone.init_cfg = detector.roi_head.shared_head.init_cfg = None
    detector.roi_head.type = 'CMPLRoIHead'
    detector.roi_head.bbox_head.update(embed_dim=768, embeddings=None)
    detector.roi_head.mask_head.type = 'NoisyFCNMaskHead'
    model = MODELS.build(dict(type='CrossModalPseudoLabel', detector=detector))
    learning = {n: p.numel() for n, p in model.named_parameters() if p.requires_grad}
    assert sum(learning.values()) == 18_621_958
    assert all(name.startswith('student.roi_head.') for name in learning)
    groups = {
        'shared_head': 14_942_208,
        'bbox_head.fc_emb': 1_573_632,
        'bbox_head.fc_reg': 8_196,
        'mask_head.conv_noise': 257,
    }
    for name, number in groups.items():
        prefix = f'student.roi_head.{name}'
        found = sum(n for key, n in learning.items() if key.startswith(prefix))
        assert found == number, name


def train(model, steps=5, frozen=()):
    """Steps of an optimizer with everything that moves parameters."""
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.1
    )
    torch.manual_seed(0)
    samples = of_kinds('both', 'captions')
    for step in range(steps):
        optimizer.zero_grad()
        total(compute_losses(model, images(2, step), samples)).backward()
        optimizer.step()


def test_cmpl_case_14_only_the_student_head_learns():
    model = make_model()
    before = state(model)
    train(model)
    learnt = {n for n, p in model.named_parameters() if p.requires_grad}
    assert changed(before, model) == learnt
    assert {name.split('.')[1] for name in learnt} == {'roi_head'}
    trunk = {'student.backbone', 'student.neck', 'student.rpn_head', 'teacher.roi_head'}
    parts = {'.'.join(name.split('.')[:2]) for name in before.keys() - learnt}
    assert parts == trunk


def test_cmpl_case_14_a_frozen_projection_stays():
    model = make_model(roi_head=dict(bbox_head=dict(freeze_emb=True)))
    projection = {'fc_emb.weight', 'fc_emb.bias'}
    head = model.student.roi_head.bbox_head
    before = state(head)
    train(model, 2)
    assert changed(before, head) == before.keys() - projection


def test_cmpl_case_14_the_projection_of_a_teacher_in_training_stays():
    """A teacher is a plain detector; everything else in it learns."""
    torch.manual_seed(0)
    teacher = MODELS.build(detector_config(bbox_head=dict(freeze_emb=True)))
    teacher.init_weights()
    teacher.roi_head.bbox_head.set_vocabulary(BASE, vectors(BASE))
    teacher.data_preprocessor.eval()
    optimizer = torch.optim.SGD(
        teacher.train().parameters(), lr=0.05, momentum=0.9, weight_decay=0.1
    )
    before = state(teacher.roi_head)
    for step in range(5):
        optimizer.zero_grad()
        losses, _ = teacher.parse_losses(
            compute_losses(teacher, images(2, step), of_kinds('gt', 'gt'))
        )
        losses.backward()
        optimizer.step()
    stays = {'bbox_head.fc_emb.weight', 'bbox_head.fc_emb.bias'}
    noise = {name for name in before if 'conv_noise' in name}  # for pseudo masks
    assert changed(before, teacher.roi_head) == before.keys() - stays - noise


def test_teacher_and_trunk_stay_in_evaluation_mode(model):
    model.eval()
    model.train()
    assert model.student.roi_head.training
    for part in (
        model.teacher.roi_head,
        model.student.backbone,
        model.student.neck,
        model.student.rpn_head,
    ):
        assert not any(module.training for module in part.modules())


def test_the_trunk_is_there_once(model):
    names = {name.partition('.')[0] for name, _ in model.teacher.named_parameters()}
    assert names == {'roi_head'}


# ---------------------------------------------------------------- checkpoints


def plain_checkpoint():
    """A detector that has learnt the base classes."""
    torch.manual_seed(7)
    detector = MODELS.build(detector_config())
    detector.init_weights()
    return detector


def test_cmpl_case_15_a_plain_checkpoint_fills_both():
    detector = plain_checkpoint()
    model = make_model()
    given = detector.state_dict()
    missing, unexpected = model.load_state_dict(given, strict=True)
    assert not missing
    assert not unexpected
    assert same(model.student.state_dict(), given)
    head = {name: v for name, v in given.items() if name.startswith('roi_head.')}
    assert same(model.teacher.state_dict(), head)
    assert given.keys() == detector.state_dict().keys()


def logits(model, which):
    """Of teacher or student, on one trunk."""
    maps = model.extract_feat(images(1))
    head = getattr(model, which).roi_head
    rois = torch.tensor([[0, 8.0, 8, 60, 60], [0, 20, 30, 90, 80]])
    return head._bbox_forward(maps, rois)['cls_score']


def test_cmpl_case_15_logits_are_equal_where_the_text_is():
    model = make_model()
    model.load_state_dict(plain_checkpoint().state_dict())
    assert torch.equal(logits(model, 'student'), logits(model, 'teacher'))
    model = make_model(
        roi_head=dict(bbox_head=dict(normalize_text=True)),
        teacher=dict(roi_head=dict(bbox_head=dict(normalize_text=False))),
    )
    assert not torch.allclose(logits(model, 'student'), logits(model, 'teacher'))
    lengths = torch.cat([vectors(BASE).norm(dim=1), torch.ones(1)])
    torch.testing.assert_close(
        logits(model, 'student') * lengths, logits(model, 'teacher')
    )


def test_cmpl_case_15_a_checkpoint_of_the_pair_stays_as_it_is():
    model = make_model()
    train(model, 1)
    saved = state(model)
    assert any(
        not torch.equal(saved[f'student.{name}'], saved[f'teacher.{name}'])
        for name in model.teacher.state_dict()
    )
    other = make_model(1)
    other.load_state_dict(saved, strict=True)
    assert not changed(saved, other)


def test_a_plain_checkpoint_that_lacks_parts_is_noticed():
    given = plain_checkpoint().state_dict()
    given.pop('roi_head.bbox_head.fc_emb.weight')
    missing, unexpected = make_model().load_state_dict(given, strict=False)
    assert sorted(missing) == [
        'student.roi_head.bbox_head.fc_emb.weight',
        'teacher.roi_head.bbox_head.fc_emb.weight',
    ]
    assert not unexpected


def test_a_plain_checkpoint_is_loaded_strictly(tmp_path):
    detector, path = plain_checkpoint(), tmp_path / 'plain.pth'
    weights = detector.state_dict()
    torch.save(dict(state_dict=weights), path)
    model = make_model()
    load_model_checkpoint(model, path)
    assert same(model.student.state_dict(), weights)
    torch.save(dict(state_dict=model.state_dict()), path)
    load_model_checkpoint(make_model(1), path)
    weights.pop('roi_head.bbox_head.fc_emb.weight')
    torch.save(dict(state_dict=weights), path)
    with pytest.raises(CheckpointError, match=r'2 missing \(student\.roi_head\.bbox'):
        load_model_checkpoint(model, path)


def test_without_a_checkpoint_both_start_alike():
    torch.manual_seed(0)
    detector = detector_config()
    model = MODELS.build(dict(type='CrossModalPseudoLabel', detector=detector))
    model.init_weights()
    student, teacher = model.student.roi_head, model.teacher.roi_head
    assert same(teacher.state_dict(), student.state_dict())
    teacher.bbox_head.fc_emb.weight.data.zero_()
    model.init_weights()  # for the second time, which does nothing
    assert not teacher.bbox_head.fc_emb.weight.any()


def test_a_teacher_without_noise_leaves_that_of_the_student(tmp_path):
    weights, path = plain_checkpoint().state_dict(), tmp_path / 'plain.pth'
    plain = {name: value for name, value in weights.items() if 'noise' not in name}
    assert len(plain) == len(weights) - 2
    torch.save(dict(state_dict=plain), path)
    model = make_model()
    before = state(model.student.roi_head.mask_head.conv_noise)
    load_model_checkpoint(model, path)
    assert same(model.student.roi_head.mask_head.conv_noise.state_dict(), before)
    assert torch.equal(
        model.student.state_dict()['roi_head.bbox_head.fc_emb.weight'],
        plain['roi_head.bbox_head.fc_emb.weight'],
    )


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize(
    'kinds',
    [*((kind,) for kind in KINDS), *itertools.combinations(KINDS, 2), tuple(KINDS)],
    ids='+'.join,
)
def test_cmpl_case_16_every_batch_has_the_same_keys_and_gradients(model, kinds):
    losses = compute_losses(model, images(len(kinds)), of_kinds(*kinds))
    assert losses.keys() == KEYS
    for name, loss in losses.items():
        assert torch.isfinite(loss).all(), name
    total(losses).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
    found = values(losses)
    learns = dict(
        sup={'gt', 'both'} & set(kinds), pseudo={'captions', 'both'} & set(kinds)
    )
    for kind, any_image in learns.items():
        for name in ('loss_cls', 'loss_mask'):
            assert (found[f'{kind}_{name}'] > 0) == bool(any_image), (kind, name)
    model.parse_losses(losses)


def test_cmpl_case_16_images_that_are_annotated_with_nothing(model):
    """All of it is background; the words still stand for something."""
    samples = [make_sample(boxes=[]), make_sample(['dog'], boxes=[])]
    losses = compute_losses(model, images(2), samples)
    found = values(losses)
    assert losses.keys() == KEYS
    assert found['sup_loss_cls'] > 0
    assert found['sup_loss_bbox'] == found['sup_loss_mask'] == 0
    assert found['pseudo_number'] == 1
    total(losses).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.isfinite().all(), name


def test_cmpl_case_16_losses_of_a_batch_are_those_of_its_images(model, fixed):
    """The mean over samples (classes, boxes) and over positives (masks)."""
    model.weighting = PseudoLabelWeighting('constant', 1.0)
    samples = [
        make_sample(['dog', 'bus']),
        make_sample(['cat'], [[30.0, 20, 90, 80], [5, 5, 40, 40]], [1, 0]),
    ]
    inputs = images(2)
    both = values(compute_losses(model, inputs, samples))
    with counted(model.student.roi_head) as numbers:
        alone = [
            values(compute_losses(model, inputs[i : i + 1], samples[i : i + 1]))
            for i in range(2)
        ]
    assert all(positives for of_kind in numbers.values() for _, positives in of_kind)
    expected = combine(alone, numbers)
    assert {key: both[key] for key in expected} == pytest.approx(expected, rel=1e-4)
    assert both['pseudo_number'] == 1.5
    for key in ('pseudo_loss_cls', 'sup_loss_cls', 'pseudo_loss_mask'):
        assert alone[0][key] != pytest.approx(alone[1][key], rel=1e-3)


def test_cmpl_case_16_images_without_words_or_annotations_change_nothing(model, fixed):
    inputs = images(3)
    plain = values(compute_losses(model, inputs[1:2], of_kinds('both')))
    mixed = values(
        compute_losses(model, inputs, of_kinds('neither', 'both', 'neither'))
    )
    assert mixed == pytest.approx(plain, rel=1e-4, abs=1e-7)


def test_losses_are_weighed_by_the_noise(model, fixed):
    samples = of_kinds('both', 'captions')
    found = values(compute_losses(model, images(2), samples))
    weight = 0.01 / found['pseudo_sigma']
    assert found['pseudo_weight'] == pytest.approx(weight, rel=1e-5)
    assert found['pseudo_sigma'] == pytest.approx(1.6487, rel=0.01)
    model.weighting = PseudoLabelWeighting('constant', 1.0)
    plain = values(compute_losses(model, images(2), samples))
    for name, factor in (('loss_cls', weight), ('loss_bbox', weight), ('loss_mask', 1)):
        expected = factor * plain[f'pseudo_{name}']
        assert found[f'pseudo_{name}'] == pytest.approx(expected, rel=1e-4)
    for name in ('sup_loss_cls', 'sup_loss_mask'):
        assert found[name] == pytest.approx(plain[name], rel=1e-5)


def test_words_without_a_region_teach_nothing(model, monkeypatch):
    bias = model.teacher.roi_head.mask_head.conv_logits.bias
    monkeypatch.setattr(bias, 'data', torch.full_like(bias, -1e6))
    losses = compute_losses(model, images(1), of_kinds('captions'))
    found = values(losses)
    assert found['pseudo_number'] == 0
    assert found['pseudo_loss_cls'] == found['pseudo_loss_mask'] == 0
    assert losses.keys() == KEYS


def test_mixed_precision(model):
    with torch.autocast('cpu', torch.bfloat16):
        losses = compute_losses(model, images(4), of_kinds(*KINDS))
    assert {name: loss.dtype for name, loss in losses.items()} == dict.fromkeys(
        losses, torch.float32
    )
    assert all(torch.isfinite(loss).all() for loss in losses.values())
    total(losses).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_mixed_precision_keeps_boxes_single(model):
    with torch.autocast('cpu', torch.bfloat16):
        (found,) = model.label(images(1), of_kinds('captions'))
    assert len(found) == 2
    assert found.bboxes.dtype == found.scores.dtype == torch.float32
    assert not torch.equal(found.bboxes, found.bboxes.bfloat16().float())


# ---------------------------------------------------------------- words


def test_cmpl_case_20_words_of_annotated_classes_are_left_out(model):
    """A person is annotated, and a man and a dog are told of."""
    sample = make_sample(['man', 'dog'])
    assert model.words_of(sample).words == ('dog',)
    (found,) = model.label(images(1), [sample])
    assert found.labels.tolist() == [CAPTION.index('dog')]
    assert values(compute_losses(model, images(1), [sample]))['pseudo_number'] == 1
    model.semi_train_cfg['drop_labelled_words'] = False
    assert model.words_of(sample).words == ('man', 'dog')
    (found,) = model.label(images(1), [sample])
    assert found.labels.tolist() == [CAPTION.index('person'), CAPTION.index('dog')]
    assert found.word_inds.tolist() == [0, 1]


def test_cmpl_case_20_but_only_where_somebody_annotated(model):
    sample = make_sample(['man', 'dog'], boxes=None)
    assert model.words_of(sample).words == ('man', 'dog')
    nothing_to_see = make_sample(['man', 'dog'], boxes=[])
    assert model.words_of(nothing_to_see).words == ('dog',)


def test_cmpl_case_20_annotated_objects_reach_labelling_and_losses(model, monkeypatch):
    given = {}
    pseudo_loss = model.student.roi_head.pseudo_loss
    label_regions = model.teacher.roi_head.label_regions

    def record_labelling(*args):
        given['labelling'] = [boxes.tolist() for boxes in args[5]]
        return label_regions(*args)

    def record_losses(*args):
        given['losses'] = [
            None if objects is None
            else (objects.bboxes.tolist(), objects.labels.tolist())
            for objects in args[4]
        ]  # fmt: skip
        return pseudo_loss(*args)

    monkeypatch.setattr(model.teacher.roi_head, 'label_regions', record_labelling)
    monkeypatch.setattr(model.student.roi_head, 'pseudo_loss', record_losses)
    compute_losses(model, images(3), of_kinds('gt', 'captions', 'both'))
    person = [[10.0, 8.0, 60.0, 50.0]]
    labels = [CAPTION.index('person')]
    assert given == dict(labelling=[[], person], losses=[None, (person, labels)])
    names = tuple('' if name == 'person' else name for name in CAPTION)
    without = model.caption_vocabulary._replace(names=names)
    monkeypatch.setattr(model, 'caption_vocabulary', without)
    compute_losses(model, images(1), [make_sample(['dog'])])
    assert given['losses'] == [(person, [-1])]


def test_crowds_are_left_alone_as_annotated_objects_are(model, monkeypatch):
    given = {}
    label_regions = model.teacher.roi_head.label_regions
    pseudo_loss = model.student.roi_head.pseudo_loss

    def record_labelling(*args):
        given['boxes'] = [boxes.tolist() for boxes in args[5]]
        return label_regions(*args)

    def record_losses(*args):
        given['labels'] = [objects.labels.tolist() for objects in args[4]]
        return pseudo_loss(*args)

    monkeypatch.setattr(model.teacher.roi_head, 'label_regions', record_labelling)
    monkeypatch.setattr(model.student.roi_head, 'pseudo_loss', record_losses)
    crowd = [70.0, 20.0, 120.0, 90.0]
    samples = [make_sample(['dog']), make_sample(['dog'], boxes=[])]
    for sample in samples:
        sample.ignored_instances.bboxes = torch.tensor([crowd])
        sample.ignored_instances.labels = torch.tensor([0])
    compute_losses(model, images(2), samples)
    assert given['boxes'] == [[[10.0, 8.0, 60.0, 50.0], crowd], [crowd]]
    assert given['labels'] == [[CAPTION.index('person'), -1], [-1]]


def test_words_do_not_choose_crowds(model):
    """Where all that is proposed is a crowd, no region is left."""
    sample = make_sample(['dog'], boxes=[])
    with torch.no_grad():
        _, outputs = model.extract_trunk(images(1))
    (proposals,) = model.proposals(outputs, [sample], [0], 'test')
    assert len(model.label(images(1), [sample])[0]) == 1
    sample.ignored_instances.bboxes = proposals.bboxes
    assert len(model.label(images(1), [sample])[0]) == 0
    assert values(compute_losses(model, images(1), [sample]))['pseudo_number'] == 0


def test_words_look_for_regions_as_they_stand_in_the_caption(tmp_path):
    bank = str(write_bank(tmp_path / 'bank.npz', [*BASE, *CAPTION[2:], 'puppy']))
    model = make_model(
        roi_head=dict(bbox_head=dict(embeddings=bank)),
        semi_train_cfg=dict(align_with='word'),
    )
    head = model.student.roi_head.bbox_head
    model.set_caption_vocabulary(CAPTION[1:])
    assert head.vocabulary == BASE
    sample = make_sample(['dog'], boxes=None)
    sample.set_metainfo(dict(caption_words=['puppy'], caption_labels=[1]))
    words = model.words_of(sample)
    puppy = head.text_vectors(['puppy'])
    assert torch.equal(model._vectors(words), puppy)
    dog = model.caption_vocabulary.class_vectors[[1]]
    assert not torch.equal(puppy, dog)
    model.semi_train_cfg['align_with'] = 'name'
    assert torch.equal(model._vectors(words), dog)
    compute_losses(model, images(1), [sample])


def test_words_without_a_vector_are_named_before_training(tmp_path):
    bank = str(write_bank(tmp_path / 'bank.npz', [*BASE, *CAPTION[2:], 'puppy']))
    model = make_model(
        roi_head=dict(bbox_head=dict(embeddings=bank)),
        semi_train_cfg=dict(align_with='word'),
    )
    model.set_caption_vocabulary(CAPTION[1:], ['dog', 'puppy'])
    with pytest.raises(
        ValueError,
        match=r"no vector for 'kitty', 'pup'; .*embeddings\.py --append --words FILE",
    ):
        model.set_caption_vocabulary(CAPTION[1:], ['dog', 'kitty', 'pup'])
    model.semi_train_cfg['align_with'] = 'name'  # then nobody asks for them
    model.set_caption_vocabulary(CAPTION[1:], ['dog', 'kitty', 'pup'])


def test_words_of_one_class_look_for_one_region(model):
    """Its name is one text vector, so a second region would be a wrong one."""
    sample = make_sample(['couch', 'dog', 'sofa'], boxes=None)
    model.semi_train_cfg['align_with'] = 'name'
    found = model.words_of(sample)
    assert (found.words, found.labels) == (('couch', 'dog'), (3, 2))
    (instances,) = model.label(images(1), [sample])
    assert sorted(instances.labels.tolist()) == [2, 3]
    alone = make_sample(['couch', 'sofa'], boxes=None)
    (instances,) = model.label(images(1), [alone])
    assert instances.labels.tolist() == [3]
    model.semi_train_cfg['align_with'] = 'word'
    assert model.words_of(sample).words == ('couch', 'dog', 'sofa')


def test_words_need_a_vocabulary(model, monkeypatch):
    monkeypatch.setattr(model, 'caption_vocabulary', None)
    with pytest.raises(ValueError, match="type='VocabularyHook'"):
        compute_losses(model, images(1), of_kinds('captions'))
    compute_losses(model, images(1), of_kinds('gt'))
    with pytest.raises(ValueError, match="type='VocabularyHook'"):
        model.label(images(1), of_kinds('gt'))


@pytest.mark.parametrize('key', ['caption_words', 'caption_labels', 'has_gt'])
@pytest.mark.parametrize('kind', KINDS)
def test_samples_that_do_not_say_what_they_are_are_refused(model, kind, key):
    """A pipeline whose PackDetInputs() has forgotten the meta_keys."""
    (sample,) = of_kinds(kind)
    sample.pop(key)
    for method in (compute_losses, CrossModalPseudoLabel.label):
        with pytest.raises(ValueError, match=f'do not say {key}; add .* meta_keys'):
            method(model, images(1), [sample])


def test_annotated_samples_without_boxes_are_refused(model):
    (sample,) = of_kinds('both')
    del sample.gt_instances
    with pytest.raises(ValueError, match="type='LoadAnnotations', with_bbox=True"):
        model.label(images(1), [sample])


@pytest.mark.parametrize('labels', [[5], [-1], [], [2, 3]])
def test_words_of_another_vocabulary_are_refused(model, labels):
    sample = make_sample(['dog'])
    sample.set_metainfo(dict(caption_labels=labels))
    with pytest.raises(ValueError, match=r'a\.jpg: caption_labels .* of 5 names'):
        compute_losses(model, images(1), [sample])


def test_another_vocabulary_in_training_leaves_that_of_captions(model):
    head = model.student.roi_head.bbox_head
    before = model.caption_vocabulary
    with head.using_vocabulary(['zebra'], torch.randn(1, DIM)):
        compute_losses(model, images(1), of_kinds('captions'))
        assert head.vocabulary == ('zebra',)
    assert model.caption_vocabulary is before


@pytest.fixture
def published(root, tmp_path):
    """A model with the settings of the published code."""
    cfg = Config.fromfile(root / 'configs/_base_/models/cmpl_parity.py')
    bank = write_bank(tmp_path / 'bank.npz', {*BASE, *CAPTION, 'man'})
    return make_model(
        roi_head=cfg.parity_roi_head | dict(bbox_head=dict(embeddings=str(bank))),
        semi_train_cfg=cfg.parity_semi_train_cfg,
    )


def test_cmpl_case_20_the_published_settings(published):
    """A man and a dog make two pseudo instances, whatever is annotated."""
    model = published
    (found,) = model.label(images(1), [make_sample(['man', 'dog'])])
    assert found.labels.tolist() == [CAPTION.index('person'), CAPTION.index('dog')]
    samples = [make_sample(['man', 'dog']), *of_kinds('captions', 'neither')]
    losses = compute_losses(model, images(3), samples)
    assert losses.keys() == KEYS
    assert values(losses)['pseudo_number'] == 2
    total(losses).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_the_published_student_takes_annotated_objects_for_background(
    published, monkeypatch
):
    """And words of a class each look for a region of their own."""
    words = make_sample(['man', 'person'], boxes=[])
    assert published.words_of(words).words == ('man', 'person')
    head = published.student.roi_head
    object_, elsewhere = [10.0, 8, 60, 50], [70.0, 20, 120, 90]
    sample = head._sample(
        InstanceData(bboxes=torch.tensor([object_, elsewhere])),
        InstanceData(bboxes=torch.tensor([elsewhere]), labels=torch.tensor([2])),
        InstanceData(bboxes=torch.tensor([object_]), labels=torch.tensor([1])),
    )
    assert sample.neg_priors.tolist() == [object_]
    assert sample.pos_priors.tolist() == [elsewhere]


# ---------------------------------------------------------------- prediction


def predict(model, which):
    model.semi_test_cfg['predict_on'] = which
    with torch.no_grad():
        (sample,) = model.predict(images(1), of_kinds('gt'))
    return sample.pred_instances


def test_either_of_them_predicts():
    model = make_model()
    model.eval()
    student, teacher = predict(model, 'student'), predict(model, 'teacher')
    assert torch.equal(student.scores, teacher.scores)
    model.student.roi_head.bbox_head.fc_emb.weight.data.neg_()
    found = predict(model, 'teacher')
    assert torch.equal(found.scores, teacher.scores)
    assert torch.equal(found.masks, teacher.masks)
    assert not torch.equal(predict(model, 'student').scores, student.scores)
    plain = model.student.predict(images(1), of_kinds('gt'))[0].pred_instances
    assert torch.equal(predict(model, 'student').scores, plain.scores)


def test_labels_at_the_size_of_the_file(model):
    sample = make_sample(['dog'], boxes=None)
    sample.set_metainfo(dict(ori_shape=(192, 256), scale_factor=(0.5, 0.5)))
    (large,) = model.label(images(1), [sample])
    (small,) = model.label(images(1), [sample], rescale=False)
    assert large.masks.shape[1:] == (192, 256)
    assert small.masks.shape[1:] == (96, 128)
    torch.testing.assert_close(large.bboxes, 2 * small.bboxes)


def test_images_without_words_have_no_labels(model):
    found = model.label(images(2), of_kinds('gt', 'captions'))
    assert [len(of_image) for of_image in found] == [0, 2]


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(semi_train_cfg=dict(weight=1)), "train_cfg has the .*, not 'weight'"),
        (dict(semi_train_cfg=dict(align_with='text')), "one of name, word, not 'text'"),
        (dict(semi_train_cfg=dict(weighting=dict(mode='x'))), "mode is one of .* 'x'"),
        (dict(semi_train_cfg=dict(weighting=dict(lr=1))), "weighting has .*, not 'lr'"),
        (dict(semi_test_cfg=dict(predict_on='both')), "'student' or 'teacher', not"),
        (dict(semi_test_cfg=dict(forward_on='x')), "semi_test_cfg has the .*'forward_"),
    ],
)  # fmt: skip
def test_unknown_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_model(**options)


@pytest.mark.parametrize('which', ['student', 'teacher'])
def test_both_need_the_head(which):
    detector = detector_config()
    plain = dict(type='StandardRoIHead')
    options = dict(teacher=dict(roi_head=plain))
    if which == 'student':
        detector.roi_head.type = 'StandardRoIHead'
        options = {}
    with pytest.raises(ValueError, match=f"the {which} needs roi_head=dict.type='CMPL"):
        MODELS.build(dict(type='CrossModalPseudoLabel', detector=detector, **options))


def test_the_teacher_may_have_settings_of_its_own():
    alignment = dict(choice='argmax', mask_box='refined')
    model = make_model(teacher=dict(roi_head=dict(alignment=alignment)))
    assert model.teacher.roi_head.alignment.choice == 'argmax'
    assert model.student.roi_head.alignment.choice == 'greedy'
    assert not any(p.requires_grad for p in model.teacher.parameters())


def test_registered():
    assert MODELS.get('CrossModalPseudoLabel') is CrossModalPseudoLabel
