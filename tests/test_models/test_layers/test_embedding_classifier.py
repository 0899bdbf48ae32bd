"""Logits and scores of classes that are text vectors."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet_ovis.models.layers.embedding_classifier import (
    EmbeddingClassifier,
    class_scores,
)


def classifier(vectors, background=None, **options):
    vectors = torch.as_tensor(vectors, dtype=torch.float32)
    made = EmbeddingClassifier(embed_dim=vectors.shape[1], **options)
    if background is not None:
        background = torch.tensor(background, dtype=torch.float32)
    made.set_vectors(vectors, background)
    return made


def probabilities(made, embedding):
    return made(torch.tensor([embedding])).softmax(-1)[0].tolist()


def test_case_16_zero_background():
    made = classifier([[1.0, 0], [0, 1]])
    found = probabilities(made, [math.log(2), 0.0])
    assert found == pytest.approx([0.5, 0.25, 0.25])


def test_case_16_text_vectors_are_neither_parameters_nor_saved():
    made = classifier([[1.0, 0], [0, 1]])
    assert list(made.parameters()) == []
    assert made.state_dict() == {}
    embedding = torch.tensor([[1.0, 2.0]], requires_grad=True)
    made(embedding)[:, -1].sum().backward()
    assert made.class_vectors.grad is None
    assert not made.class_vectors.requires_grad
    assert embedding.grad.tolist() == [[0, 0]]  # the background's logit is 0 for all


def test_cmpl_case_6_background():
    made = classifier([[2.0, 0], [0, 1]])
    embedding = torch.tensor([[1.0, 0]])
    assert made(embedding).tolist() == [[2, 0, 0]]
    found = probabilities(made, [1.0, 0.0])
    assert found == pytest.approx([0.7870, 0.1065, 0.1065], abs=1e-4)


def test_cmpl_case_8_every_class_can_be_positive():
    made = classifier(torch.randn(1203, 4))
    embeddings = torch.randn(2, 4, requires_grad=True)
    logits = made(embeddings)
    assert logits.shape == (2, 1204)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1203])).backward()
    assert embeddings.grad.abs().sum(1).min() > 0


def test_raw_vectors_scale_logits_and_unit_vectors_do_not():
    vectors, embedding = [[3.0, 4.0]], torch.tensor([[1.0, 1.0]])
    assert classifier(vectors)(embedding)[0, 0].item() == pytest.approx(7)
    unit = classifier(vectors, normalize_text=True)
    assert unit(embedding)[0, 0].item() == pytest.approx(1.4)


def test_cosine_does_not_depend_on_lengths():
    made = classifier([[3.0, 4.0], [0, 2]], logit_mode='cosine', bg_mode='mean')
    for length in (0.5, 20):
        logits = made(torch.tensor([[length, 0.0]]))[0].tolist()
        # Mean of (0.6, 0.8) and (0, 1), brought to length 1.
        expected = [50 * 0.6, 0, 50 * 0.3 / math.hypot(0.3, 0.9)]
        assert logits == pytest.approx(expected, rel=1e-5)


def test_the_cosine_of_nothing_has_a_bounded_gradient():
    made = classifier([[1.0, 0]], logit_mode='cosine', bg_mode='mean')
    embedding = torch.zeros(1, 2, requires_grad=True)
    made(embedding).sum().backward()
    assert made(embedding).tolist() == [[0, 0]]
    assert embedding.grad.abs().max() <= 2 * 50 / 1e-3


def test_the_mean_background_of_raw_vectors():
    made = classifier([[2.0, 0], [0, 4]], bg_mode='mean')
    assert made(torch.tensor([[1.0, 1.0]]))[0].tolist() == [2, 4, 3]


@pytest.mark.parametrize('mode', ['dot', 'cosine'])
def test_a_learned_background_is_learned(mode):
    made = classifier(torch.eye(3), logit_mode=mode, bg_mode='learned')
    embedding = torch.tensor([[0.0, 3.0, 4.0]])
    vector = made.background.detach()
    expected = embedding[0] @ vector
    if mode == 'cosine':
        expected = 50 * expected / 5 / vector.norm()
    logits = made(embedding)
    assert logits[0, -1].item() == pytest.approx(expected.item(), rel=1e-5)
    logits[0, -1].backward()
    assert made.background.grad.abs().sum() > 0
    assert list(made.state_dict()) == ['background']


def test_scale_fixed_and_learned():
    embedding = torch.tensor([[1.0, 0]])
    assert classifier([[1.0, 0]], logit_scale=7)(embedding)[0, 0].item() == 7
    made = classifier([[1.0, 0]], logit_scale='learn')
    assert made(embedding)[0, 0].item() == 1
    made(embedding)[0, 0].backward()
    assert made.log_scale.grad.item() == pytest.approx(1)
    start = classifier(
        [[1.0, 0]], logit_scale='learn', logit_mode='cosine', bg_mode='mean'
    )
    assert start(embedding)[0, 0].item() == pytest.approx(50)


def test_a_learned_scale_stays_at_100_and_can_come_back():
    made = classifier([[1.0, 0]], logit_scale='learn')
    with torch.no_grad():
        made.log_scale.fill_(9)
    logits = made(torch.tensor([[1.0, 0]]))
    assert logits[0, 0].item() == pytest.approx(100)
    logits[0, 0].backward()
    assert made.log_scale.grad.item() == pytest.approx(100)


def test_background_words_are_summed_up_in_the_background():
    classes, words = [[1.0, 0], [0, 2]], [[0.5, 0.5], [-1, 1]]
    embedding = torch.tensor([[1.5, -0.5]])
    together = classifier(classes + words)(embedding).softmax(-1)[0]
    made = classifier(classes, words)
    found = made(embedding).softmax(-1)[0]
    assert len(found) == 3
    torch.testing.assert_close(found[:2], together[:2])
    torch.testing.assert_close(found[2], together[2:].sum())
    made.set_vectors(torch.tensor(classes))
    assert made(embedding).softmax(-1)[0, 0] > found[0]


@pytest.mark.parametrize('chunk', [1, 3, 4, 100])
def test_chunks_change_nothing(chunk):
    torch.manual_seed(0)
    vectors, words, embeddings = (torch.randn(n, 6) for n in (10, 7, 5))
    whole, parts = (EmbeddingClassifier(6, class_chunk=size) for size in (None, chunk))
    for made in (whole, parts):
        made.set_vectors(vectors, words)
    torch.testing.assert_close(parts(embeddings), whole(embeddings))


def test_half_precision_is_computed_in_single():
    torch.manual_seed(0)
    made = classifier(
        torch.randn(5, 64), logit_mode='cosine', bg_mode='learned', logit_scale='learn'
    )
    embeddings = torch.randn(3, 64)
    expected = made(embeddings)
    with torch.autocast('cpu', torch.bfloat16):
        logits = made(embeddings)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected)
    assert made(embeddings.half()).dtype == torch.float32


def test_vectors_are_copied_and_follow_the_module():
    vectors = torch.eye(2)
    made = classifier(vectors)
    vectors.zero_()
    assert made.class_vectors.sum() == 2
    assert made.to('meta').class_vectors.device.type == 'meta'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(logit_mode='euclidean'), 'logit_mode is one of dot, cosine'),
        (dict(bg_mode='none'), 'bg_mode is one of zero, learned, mean'),
        (dict(logit_mode='cosine'), "logit_mode='cosine' takes bg_mode='learned' or"),
        (dict(logit_scale='auto'), "logit_scale is 'learn' or in"),
        (dict(logit_scale=0), r'in \(0, 100\], not 0'),
        (dict(logit_scale=101.0), 'not 101.0'),
        (dict(class_chunk=0), 'class_chunk is a positive number'),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingClassifier(4, **options)


@pytest.mark.parametrize(
    ('vectors', 'message'),
    [
        (torch.ones(2, 3), r'shape \(2, 3\), but embed_dim is 4'),
        (torch.ones(4), r'shape \(4,\)'),
        (torch.ones(0, 4), 'at least one class'),
        (torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]]), r'class_vectors\[1\] is zero'),
        (torch.full((1, 4), torch.nan), r'class_vectors\[0\] is zero or not finite'),
    ],
)
def test_vectors_that_do_not_fit_are_refused(vectors, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingClassifier(4).set_vectors(vectors)


def test_background_vectors_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r'background_vectors\[0\]'):
        EmbeddingClassifier(2).set_vectors(torch.eye(2), torch.zeros(1, 2))


def test_no_classes_yet():
    with pytest.raises(ValueError, match=r"no classes yet: .*type='VocabularyHook'"):
        EmbeddingClassifier(4)(torch.ones(1, 4))


# ---------------------------------------------------------------- scores

DILUTED = torch.tensor([[math.log(9)] + [0.0] * 91])


def test_case_24_softmax_is_diluted_by_other_words():
    alone = class_scores(DILUTED[:, [0, -1]])
    assert alone[0, 0].item() == pytest.approx(0.9)
    assert class_scores(DILUTED)[0, 0].item() == pytest.approx(9 / (9 + 91))


def test_sigmoid_is_not_diluted():
    scores = class_scores(DILUTED, 'sigmoid')[0]
    assert scores[0].item() == pytest.approx(0.9)
    assert scores[1:-1].tolist() == pytest.approx([0.5] * 90)
    assert scores[-1].item() == pytest.approx(0.1)
    shifted = class_scores(DILUTED + 3, 'sigmoid')[0]
    torch.testing.assert_close(shifted, scores)


def test_top_m_competes_with_the_best_only():
    logits = torch.tensor([[math.log(4), math.log(3), math.log(2), 0.0]])
    scores = class_scores(logits, 'softmax_topm', top_m=2)[0].tolist()
    assert scores == pytest.approx([4 / 8, 3 / 8, 0, 1 / 8])
    everything = class_scores(logits, 'softmax_topm', top_m=9)
    torch.testing.assert_close(everything, class_scores(logits))


@pytest.mark.parametrize('mode', ['softmax', 'sigmoid', 'softmax_topm'])
def test_case_24_one_word_scores_are_sigmoids(mode):
    logits = torch.tensor([[2.5, 0.0], [-1.0, 0.0]])
    scores = class_scores(logits, mode)
    torch.testing.assert_close(scores[:, 0], logits[:, 0].sigmoid())
    torch.testing.assert_close(scores.sum(1), torch.ones(2))


@pytest.mark.parametrize('mode', ['softmax', 'sigmoid', 'softmax_topm'])
def test_no_region_has_no_scores(mode):
    assert class_scores(torch.zeros(0, 4), mode).shape == (0, 4)


def test_unknown_scores_are_refused():
    with pytest.raises(ValueError, match='score_mode is one of softmax, sigmoid'):
        class_scores(DILUTED, 'max')
    with pytest.raises(ValueError, match='top_m is a positive number'):
        class_scores(DILUTED, 'softmax_topm', 0)
