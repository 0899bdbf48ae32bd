"""Words that need no text encoder, encoders by name, nouns of a caption."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_ovis.language.bank_builder import build_text_embedding_bank, look_up
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.language.noun_mining import caption_nouns
from mmdet_ovis.language.text_encoders import EncoderChoice, HashTextEncoder
from mmdet_ovis.structures.vocabulary import Vocabulary


def bank_of(text):
    return build_text_embedding_bank(Vocabulary.parse(text), HashTextEncoder(8))


def test_vectors_are_those_of_the_encoder():
    """Whether texts are looked up together, alone, or in several banks."""
    wanted = Vocabulary.parse('cup|mug. dog. couch|sofa')
    expected = bank_of('cup|mug. dog. couch|sofa').embeddings
    for banks in (
        [bank_of('dog. couch|sofa. mug. cup')],
        [bank_of('dog. cup'), bank_of('sofa. mug. couch')],
    ):
        found, missing = look_up(wanted, banks)
        assert missing == []
        rows = np.stack([found[name] for name in wanted.names])
        np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_a_name_is_what_the_bank_says():
    """A row of several texts serves the name that it has; the first bank counts."""
    row = TextEmbeddingBank(('couch',), np.ones((1, 8)), (('sofa',),))
    found, missing = look_up(Vocabulary(('COUCH',)), [row, bank_of('couch')])
    assert missing == []
    assert found['COUCH'].tolist() == [1] * 8


def test_names_of_data_sets_are_found_by_their_words():
    found, missing = look_up(Vocabulary(('traffic_light',)), [bank_of('traffic light')])
    assert list(found) == ['traffic_light']
    assert missing == []


def test_what_is_missing_is_listed_once():
    wanted = Vocabulary.parse('cup|mug. mug|beaker. dog')
    found, missing = look_up(wanted, [bank_of('dog. cup')])
    assert list(found) == ['dog']
    assert missing == ['mug', 'beaker']
    assert look_up(wanted, [])[1] == ['cup', 'mug', 'beaker', 'dog']


@pytest.mark.parametrize(
    ('text', 'kind', 'model'),
    [
        ('clip', 'clip', 'openai/clip-vit-base-patch32'),
        ('clip:a/b', 'clip', 'a/b'),
        ('weights/my-clip', 'clip', 'weights/my-clip'),
        ('transformers:a/b#pooled', 'transformers', 'a/b#pooled'),
        ('hash:16', 'hash', '16'),
    ],
)
def test_encoders_by_name(text, kind, model):
    choice = EncoderChoice.parse(text, 'cuda')
    assert (choice.kind, choice.model, choice.device) == (kind, model, 'cuda')


def test_an_encoder_without_its_model():
    with pytest.raises(ValueError, match="'transformers' needs a model"):
        EncoderChoice.parse('transformers')


def test_nouns_in_the_order_of_the_caption():
    names = caption_nouns(
        'A zebra and two dogs near a fire hydrant, a dog sleeps'
    ).names
    assert names[:3] == ('zebra', 'dog', 'fire hydrant')
    with pytest.raises(ValueError, match="no noun was found in the caption 'of the'"):
        caption_nouns('of the')
