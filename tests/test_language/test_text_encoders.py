import numpy as np
import pytest

from mmdet_ovis.language.text_encoders import (
    EncoderChoice,
    HashTextEncoder,
    TextEncoder,
)


def test_hash_vectors_are_unit_and_nearly_orthogonal():
    vectors = HashTextEncoder(512).encode([f'word {i}' for i in range(50)])
    assert vectors.shape == (50, 512)
    assert vectors.dtype == np.float32
    cosines = vectors @ vectors.T
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-5)
    assert np.abs(cosines - np.eye(50)).max() < 0.25


def test_hash_vectors_are_the_same_everywhere():
    """Part of the format: banks made on different machines can be mixed."""
    np.testing.assert_allclose(
        HashTextEncoder(3).encode(['dog']), [[0.850625, 0.28877, 0.439373]], atol=2e-5
    )


class CountingEncoder(TextEncoder):
    model_id = 'counting'
    dim = 1
    batch_size = 2

    def __init__(self):
        self.sizes = []

    def encode_batch(self, texts):
        self.sizes.append(len(texts))
        return np.array([[len(text)] for text in texts])


def test_texts_are_encoded_in_batches():
    encoder = CountingEncoder()
    np.testing.assert_array_equal(encoder.encode(['a', 'bb', 'ccc']), [[1], [2], [3]])
    assert encoder.sizes == [2, 1]
    assert encoder.encode([]).shape == (0, 1)


@pytest.mark.parametrize('text', ['', '  ', None])
def test_blank_texts_are_refused(text):
    with pytest.raises(ValueError, match='text 1 to encode is blank'):
        CountingEncoder().encode(['dog', text])


@pytest.mark.parametrize(
    ('kind', 'model', 'model_id', 'templates', 'normalization'),
    [
        ('clip', '', 'openai/clip-vit-base-patch32', 'vild63', 'both'),
        ('clip', 'my/clip', 'my/clip', 'vild63', 'both'),
        ('bert', '', 'bert-base-uncased#word-pieces', 'none', 'none'),
        ('transformers', 'my/model', 'my/model#mean', 'vild63', 'both'),
        ('transformers', 'my/model#pooled', 'my/model#pooled', 'vild63', 'both'),
        ('hash', '', 'hash-512', 'vild63', 'both'),
    ],
)
def test_what_goes_with_a_choice(kind, model, model_id, templates, normalization):
    choice = EncoderChoice(kind, model)
    assert choice.model_id == model_id
    assert (choice.templates, choice.normalization) == (templates, normalization)


def test_a_choice_is_loaded_when_it_is_called():
    encoder = EncoderChoice('hash', '8', batch_size=3)()
    assert (encoder.dim, encoder.batch_size, encoder.model_id) == (8, 3, 'hash-8')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            ('glove',),
            "text encoder is one of clip, bert, transformers, hash, not 'glove'",
        ),
        (('transformers',), "the text encoder 'transformers' needs a model"),
        (('hash', '8', 'cpu', 0), 'batch_size is at least 1, not 0'),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        EncoderChoice(*arguments)


@pytest.mark.parametrize(
    ('model', 'message'),
    [
        ('wide', "the model of the text encoder 'hash' is a dimension, not 'wide'"),
        ('0', 'at least one dimension, not 0'),
    ],
)
def test_hash_needs_a_dimension(model, message):
    with pytest.raises(ValueError, match=message):
        EncoderChoice('hash', model)()
