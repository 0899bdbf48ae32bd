"""Any words: order, competition, background, vectors, sizes, messages."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from cmpl_case import detector_config
from mmdet.structures import DetDataSample
from ov_case import (
    ENCODER,
    KNOWN,
    ROOT,
    UNRELATED,
    WORDS,
    picture,
    tiny_config,
    write_axes_bank,
    write_bank,
    write_detector,
)

from mmdet_ovis.apis.inference.ovis_inferencer import OVISInferencer
from mmdet_ovis.apis.inference.settings import InferenceSettings, auto_score_thr
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.utils.checkpoint import load_checkpoint
from mmdet_ovis.utils.image import write_image

ALL = InferenceSettings(score_thr=0.0)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('ovis')


@pytest.fixture(scope='module')
def detector(folder):
    return write_detector(folder)


@pytest.fixture(scope='module')
def rigged(tmp_path_factory):
    return write_detector(tmp_path_factory.mktemp('rigged'), rigged=True)


@pytest.fixture(scope='module')
def bank(folder):
    return write_bank(folder / 'bank.npz')


@pytest.fixture(scope='module')
def inferencer(detector, bank):
    return OVISInferencer(*detector, bank, device='cpu', settings=ALL)


def found_by_name(inferencer, image):
    found = inferencer(image).pred_instances
    names = inferencer.dataset_meta['classes']
    rows = zip(
        found.bboxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True
    )
    return [(names[label], [*box, score]) for box, score, label in rows], found


# ------------------------------------------------------------- acceptance case 24


def test_case_24_a_permutation_changes_labels_only(inferencer):
    image = picture()
    names = WORDS[:3]
    inferencer.set_vocabulary(names)
    before, first = found_by_name(inferencer, image)
    inferencer.set_vocabulary(names[::-1])
    after, second = found_by_name(inferencer, image)
    assert len({name for name, _ in before}) > 1
    assert [name for name, _ in before] == [name for name, _ in after]
    np.testing.assert_allclose(
        [row for _, row in before], [row for _, row in after], atol=1e-4
    )
    assert torch.equal(first.labels, len(names) - 1 - second.labels)
    assert torch.equal(first.masks, second.masks)


def test_case_24_a_permutation_of_a_thousand_words(detector, tmp_path):
    """Also where the labels are so high that float32 has no fractions to spare."""
    names = tuple(f'word {i}' for i in range(1000))
    bank = write_bank(tmp_path / 'bank.npz', names)
    settings = InferenceSettings(score_thr=0.001, topk=300)
    inferencer = OVISInferencer(*detector, bank, device='cpu', settings=settings)
    first, _ = found_by_name(inferencer.set_vocabulary(names), picture())
    second, _ = found_by_name(inferencer.set_vocabulary(names[::-1]), picture())
    assert sorted(name for name, _ in first) == sorted(name for name, _ in second)
    scores = [[row[-1] for _, row in found] for found in (first, second)]
    np.testing.assert_allclose(*scores, atol=1e-6)


def test_case_24_one_word_is_a_sigmoid(inferencer):
    """Score = sigmoid(logit), read from the head itself."""
    logits = []
    head = inferencer.model.roi_head.bbox_head
    handle = head.classifier.register_forward_hook(
        lambda module, args, output: logits.append(output[:, 0])
    )
    try:
        found = inferencer.set_vocabulary('dog')(picture()).pred_instances
    finally:
        handle.remove()
    expected = logits[0].sigmoid()
    assert len(found) > 0
    for score in found.scores:
        assert (expected - score).abs().min() < 1e-6
    assert found.scores.max() == pytest.approx(expected.max().item(), abs=1e-6)


@pytest.mark.parametrize(
    ('mode', 'distractors', 'score'),
    [
        ('softmax', 0, 0.9),
        ('softmax', 90, 0.09),
        ('sigmoid', 90, 0.9),
        ('softmax_topm', 90, 9 / (9 + 9 + 1)),  # with nine rivals of logit 0
    ],
)
def test_case_24_dilution(rigged, tmp_path, mode, distractors, score):
    bank = write_axes_bank(tmp_path / 'bank.npz', distractors)
    settings = InferenceSettings(score_thr=0.0, score_mode=mode)
    inferencer = OVISInferencer(*rigged, bank, device='cpu', settings=settings)
    others = [f'{UNRELATED} {i}' for i in range(distractors)]
    found = inferencer.set_vocabulary([KNOWN, *others])(picture()).pred_instances
    assert found.scores[0].item() == pytest.approx(score, abs=1e-4)
    assert found.labels[0] == 0


def test_case_24_words_of_the_background_never_appear(rigged, tmp_path):
    """They compete, and win nothing."""
    bank = write_axes_bank(tmp_path / 'bank.npz', 90)
    inferencer = OVISInferencer(*rigged, bank, device='cpu', settings=ALL)
    background = [f'{UNRELATED} {i}' for i in range(90)]
    found = inferencer.set_vocabulary(KNOWN, background)(picture()).pred_instances
    assert inferencer.dataset_meta == dict(classes=(KNOWN,))
    assert found.scores[0].item() == pytest.approx(0.09, abs=1e-4)
    assert set(found.labels.tolist()) == {0}
    # The other way round: what is nearly always the answer is not reported.
    inferencer.set_vocabulary(f'{UNRELATED} 0', background=KNOWN)
    found = inferencer(picture()).pred_instances
    assert set(found.labels.tolist()) <= {0}
    assert found.scores.max().item() == pytest.approx(1 / 11, abs=1e-4)


def test_case_24_words_of_a_bank_need_no_clip(detector, bank):
    """In a process where transformers cannot be imported."""
    code = (
        'import sys\n'
        "sys.modules['transformers'] = None\n"
        "sys.path.insert(0, 'tests')\n"
        'from ov_case import picture\n'
        'from mmdet_ovis.apis.inference.ovis_inferencer import OVISInferencer\n'
        f'inferencer = OVISInferencer({str(detector[0])!r}, {str(detector[1])!r}, '
        f"{str(bank)!r}, text_encoder='openai/clip-vit-base-patch32', device='cpu')\n"
        "inferencer.set_vocabulary('dog. red mug', background='sky')(picture())\n"
        "print('classes', *inferencer.dataset_meta['classes'])\n"
    ).replace('openai/clip-vit-base-patch32', ENCODER)
    result = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.splitlines()[-1] == 'classes dog red mug'


def test_case_24_batch_size_changes_nothing(inferencer):
    """Nor does an image of another size beside it."""
    inferencer.set_vocabulary('dog. red mug')
    images = [picture(seed=i) for i in range(3)] + [picture(60, 130, seed=3)]
    one_by_one = inferencer(images)
    together = inferencer(images, batch_size=4)
    assert len(one_by_one) == len(together) == 4
    for a, b in zip(one_by_one, together, strict=True):
        a, b = a.pred_instances, b.pred_instances
        assert torch.equal(a.labels, b.labels)
        torch.testing.assert_close(a.bboxes, b.bboxes, atol=1e-3, rtol=0)
        torch.testing.assert_close(a.scores, b.scores, atol=1e-5, rtol=0)
        assert (a.masks != b.masks).float().mean() < 1e-3


# ------------------------------------------------------------------------ results


def test_one_image_or_several(inferencer, tmp_path):
    inferencer.set_vocabulary('dog')
    image = picture()
    write_image(tmp_path / 'a.png', image[..., ::-1])
    one = inferencer(image)
    assert isinstance(one, DetDataSample)
    from_file, again = inferencer([str(tmp_path / 'a.png'), image])
    for sample in (from_file, again):
        assert torch.equal(sample.pred_instances.bboxes, one.pred_instances.bboxes)
    found = one.pred_instances
    assert found.masks.shape == (len(found), *image.shape[:2])
    assert found.masks.dtype == torch.bool
    assert (found.scores.diff() <= 0).all()
    assert inferencer([]) == []


def test_settings(detector, bank):
    settings = InferenceSettings(score_thr=0.0, topk=3, nms='agnostic', masks=False)
    few = OVISInferencer(*detector, bank, device='cpu', settings=settings)
    found = few.set_vocabulary(WORDS[:3])(picture()).pred_instances
    assert len(found) == 3
    assert 'masks' not in found


def test_near_synonyms_suppress_each_other(detector, tmp_path):
    """Two words of one vector: each region twice, or once."""
    rows = np.load(write_bank(tmp_path / 'bank.npz', ('cup',)))['embeddings']
    bank = tmp_path / 'twins.npz'
    twins = TextEmbeddingBank(
        ('cup', 'mug'), np.repeat(rows, 2, 0), normalization='both'
    )
    twins.save(bank)
    counts = {}
    for nms in ('class', 'agnostic'):
        settings = InferenceSettings(score_thr=0.0, nms=nms, topk=1000)
        options = dict(device='cpu', settings=settings)
        inferencer = OVISInferencer(*detector, bank, **options)
        inferencer.set_vocabulary('cup. mug')
        counts[nms] = len(inferencer(picture()).pred_instances)
    assert counts['class'] == 2 * counts['agnostic'] > 0


@pytest.mark.parametrize(
    ('mode', 'words', 'background', 'threshold'),
    [
        ('softmax', 1, 0, 0.05),
        ('softmax', 80, 19, 1 / 200),
        ('sigmoid', 99, 0, 0.05),
        ('softmax_topm', 99, 0, 1 / 22),
    ],
)
def test_automatic_threshold(rigged, tmp_path, mode, words, background, threshold):
    bank = write_axes_bank(tmp_path / 'bank.npz', 100)
    settings = InferenceSettings(score_mode=mode)
    inferencer = OVISInferencer(*rigged, bank, device='cpu', settings=settings)
    names = [f'{UNRELATED} {i}' for i in range(words + background)]
    inferencer.set_vocabulary(names[:words], names[words:])
    assert inferencer.score_thr == pytest.approx(threshold)


def test_automatic_threshold_for_1203_words():
    assert auto_score_thr(1203) == 1 / 2408


# -------------------------------------------------------------------------- words


def test_order_synonyms_and_duplicates(detector, tmp_path):
    bank = write_bank(tmp_path / 'bank.npz', ('couch', 'sofa', 'dog'))
    inferencer = OVISInferencer(*detector, bank, device='cpu')
    inferencer.set_vocabulary('dog. couch|sofa. Dog')
    assert inferencer.dataset_meta['classes'] == ('dog', 'couch')
    vectors = inferencer.model.roi_head.bbox_head.installed.class_vectors
    rows = np.load(bank)['embeddings']
    mean = rows[:2].mean(axis=0)
    np.testing.assert_allclose(vectors[0], rows[2], atol=1e-6)
    np.testing.assert_allclose(vectors[1], mean / np.linalg.norm(mean), atol=1e-6)


def test_a_word_given_twice_is_said(inferencer, monkeypatch):
    from mmengine.logging import MMLogger

    said = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'warning', lambda text, *args: said.append(text % args))
    inferencer.set_vocabulary(['dog', 'sky', 'DOG'])
    assert inferencer.dataset_meta['classes'] == ('dog', 'sky')
    assert said == ["'DOG' stands in the vocabulary more than once"]


def test_encoded_words_are_kept(detector, bank, tmp_path):
    options = dict(device='cpu', text_encoder=ENCODER, cache_dir=tmp_path)
    first = OVISInferencer(*detector, bank, **options)
    first.set_vocabulary('dog. zebra')
    (cache,) = tmp_path.glob('hash-16_*.npz')
    assert np.load(cache)['names'].tolist() == ['zebra']
    again = OVISInferencer(*detector, bank, **options)
    again.words._encoder = None  # would have to refuse what it does not know
    again.set_vocabulary('dog. zebra')
    both = [
        each.model.roi_head.bbox_head.installed.class_vectors for each in (first, again)
    ]
    assert torch.equal(*both)


def test_banks_are_asked_in_turn(detector, bank, tmp_path):
    other = write_bank(tmp_path / 'other.npz', ('zebra', 'dog'))
    inferencer = OVISInferencer(*detector, [bank, other], device='cpu')
    inferencer.set_vocabulary('zebra. dog. sky')
    assert len(inferencer.dataset_meta['classes']) == 3


def test_the_bank_of_the_config(detector, bank):
    options = {'model.roi_head.bbox_head.embeddings': str(bank)}
    inferencer = OVISInferencer(*detector, device='cpu', cfg_options=options)
    assert len(inferencer.set_vocabulary('dog')(picture()).pred_instances) > 0


# ----------------------------------------------------------------------- mistakes


def test_no_vectors_at_all(detector):
    with pytest.raises(ValueError, match=r'give a text embedding bank .*--embeddings'):
        OVISInferencer(*detector, device='cpu')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(dim=8, model_id='hash-16'), 'of dim 8, but the checkpoint .* dim 16'),
        (dict(model_id='a/clip'), "model_id 'a/clip', but the checkpoint .* 'hash-16'"),
        (dict(normalization='class'), "normalization 'class', but the checkpoint"),
    ],
)
def test_vectors_of_another_text_space(detector, tmp_path, changes, message):
    bank = write_bank(tmp_path / 'other.npz', **changes)
    with pytest.raises(ValueError, match=rf'other\.npz has text vectors .*{message}'):
        OVISInferencer(*detector, bank, device='cpu')


def test_an_encoder_of_another_text_space(detector, bank):
    with pytest.raises(ValueError, match=r"the text encoder has .* 'hash-8'"):
        OVISInferencer(*detector, bank, text_encoder='hash:8', device='cpu')


def test_banks_of_two_text_spaces(detector, bank, tmp_path):
    """A checkpoint that knows nothing of its text space leaves them to each other."""
    checkpoint = load_checkpoint(detector[1])
    torch.save(dict(state_dict=checkpoint['state_dict']), tmp_path / 'old.pth')
    other = write_bank(tmp_path / 'other.npz', ('zebra',), normalization='class')
    with pytest.raises(
        ValueError, match=r"normalization 'class', but .*bank.npz those"
    ):
        OVISInferencer(detector[0], tmp_path / 'old.pth', [bank, other], device='cpu')


def test_unknown_templates(detector, tmp_path):
    bank = write_bank(tmp_path / 'bank.npz', templates_hash='0123456789abcdef')
    with pytest.raises(ValueError, match=r'of templates 0123456789abcdef.*--templates'):
        OVISInferencer(*detector, bank, text_encoder=ENCODER, device='cpu')


def test_messages_about_words(inferencer):
    for words, background, message in (
        ('zebra. gnu', '', "no vector for 'zebra', 'gnu'; .*--text-encoder hash-16"),
        (' . ', '', 'at least one name'),
        ('dog. sky', 'SKY', "'SKY' cannot be both"),
    ):
        with pytest.raises(ValueError, match=message):
            inferencer.set_vocabulary(words, background)


def test_messages_about_images(inferencer, detector, bank, tmp_path):
    inferencer.set_vocabulary('dog')
    with pytest.raises(FileNotFoundError, match=r'no such image: nowhere.jpg'):
        inferencer('nowhere.jpg')
    with pytest.raises(
        ValueError, match=r'an image is an array .* not one of \(4, 4\)'
    ):
        inferencer(np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match='batch_size is a number of images'):
        inferencer([picture()], batch_size=0)
    fresh = OVISInferencer(*detector, bank, device='cpu')
    with pytest.raises(ValueError, match='call set_vocabulary first'):
        fresh(picture())


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        (dict(score_thr='some'), "score_thr is 'auto' or a number"),
        (dict(score_thr=1.0), "score_thr is 'auto' or a number"),
        (dict(score_mode='max'), 'score_mode is one of None, softmax, sigmoid'),
        (dict(nms='soft'), 'nms is one of class, agnostic'),
        (dict(topk=0), 'topk is a number of instances'),
        (dict(iou=0), 'iou is an overlap'),
    ],
)
def test_messages_about_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        InferenceSettings(**setting)


def test_a_detector_without_words(tmp_path, bank):
    cfg = tiny_config()
    cfg.model.roi_head.bbox_head = dict(
        type='Shared2FCBBoxHead', in_channels=16, fc_out_channels=8, num_classes=2
    )
    with pytest.raises(ValueError, match='takes the config of a two-stage detector'):
        OVISInferencer(cfg, tmp_path / 'x.pth', bank, device='cpu')


@pytest.mark.parametrize('who', ['student', 'teacher'])
def test_a_student_with_its_teacher(detector, bank, tmp_path, who):
    """From the weights of a plain detector both find what it finds."""
    cfg = tiny_config()
    cfg.model = dict(
        type='CrossModalPseudoLabel',
        detector=detector_config(),
        semi_test_cfg=dict(predict_on=who),
    )
    cfg.model.detector.test_cfg.rcnn.score_thr = 0.0
    pair = OVISInferencer(cfg, detector[1], bank, device='cpu', settings=ALL)
    plain = OVISInferencer(*detector, bank, device='cpu', settings=ALL)
    image = picture()
    found, expected = (
        one.set_vocabulary(WORDS)(image).pred_instances for one in (pair, plain)
    )
    assert len(found) == len(expected) > 0
    assert torch.allclose(found.bboxes, expected.bboxes, atol=1e-4)
    assert torch.equal(found.masks, expected.masks)
