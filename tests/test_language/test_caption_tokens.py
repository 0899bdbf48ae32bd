"""Tokens of captions, with the vectors that pretraining compares regions with."""

from __future__ import annotations

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmdet_ovis.language.caption_tokens import BankTokens, WordPieceTokens
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.language.pretrained_encoders import BertWordPieceEncoder


@pytest.fixture
def bank(tmp_path):
    path = tmp_path / 'bank.npz'
    TextEmbeddingBank(('Dog', 'hot dog', 'couch'), np.eye(3, 5)).save(path)
    return path


def test_words_of_a_bank_in_the_order_of_the_caption(bank):
    tokens = TASK_UTILS.build(dict(type='BankTokens', embeddings=str(bank)))
    texts, vectors, ids = tokens('A hot dog, two dogs and a sofa by a dog.')
    assert texts == ('hot dog', 'Dog', 'couch', 'Dog')
    assert ids.tolist() == [1, 0, 2, 0]
    np.testing.assert_array_equal(tokens.table, np.eye(3, 5))
    np.testing.assert_array_equal(vectors, np.eye(3, 5)[[1, 0, 2, 0]])
    assert vectors.dtype == np.float32
    assert tokens.dim == 5


def test_a_caption_without_a_known_word(bank):
    texts, vectors, ids = BankTokens(bank)('Nothing at all.')
    assert texts == ()
    assert (ids.shape, ids.dtype) == ((0,), np.int64)
    assert vectors.shape == (0, 5)


def test_a_missing_bank_is_named_with_the_first_caption(tmp_path):
    tokens = BankTokens(tmp_path / 'none.npz')
    with pytest.raises(FileNotFoundError, match=r'none\.npz'):
        tokens('A dog.')


def test_options_of_the_parser(bank):
    tokens = BankTokens(bank, parser=dict(plurals=False))
    assert tokens('Two dogs.').texts == ()


def test_pieces_have_the_rows_of_the_table(bert_folder):
    tokens = WordPieceTokens(bert_folder)
    texts, vectors, ids = tokens('A DOG on a skateboard.')
    assert texts == ('a', 'dog', 'on', 'a', 'skate', '##board', '.')
    assert vectors.shape == (7, tokens.dim)
    np.testing.assert_array_equal(tokens.table[ids], vectors)
    assert len(tokens.table) > ids.max()
    np.testing.assert_array_equal(vectors[0], vectors[3])
    encoder = BertWordPieceEncoder(bert_folder)
    mean = encoder.encode(['skateboard'])[0]
    np.testing.assert_allclose(vectors[4:6].mean(axis=0), mean, rtol=1e-6)


def test_unknown_pieces_are_left_out_and_long_captions_cut(bert_folder):
    assert WordPieceTokens(bert_folder)('xyz dog 东').texts == ('dog',)
    texts, vectors, ids = WordPieceTokens(bert_folder)('xyz')
    assert texts == ()
    assert (ids.shape, ids.dtype) == ((0,), np.int64)
    assert vectors.shape == (0, WordPieceTokens(bert_folder).dim)
    texts, vectors, ids = WordPieceTokens(bert_folder, max_tokens=3)('dog ' * 30)
    assert texts == ('dog',) * 3
    assert len(vectors) == len(ids) == 3
    with pytest.raises(ValueError, match='max_tokens is at least 1, not 0'):
        WordPieceTokens(bert_folder, max_tokens=0)


def test_a_model_that_is_not_there_is_named_with_the_first_caption(tmp_path):
    tokens = WordPieceTokens(tmp_path / 'none')
    with pytest.raises(ValueError, match=r'cannot load the text encoder .*none'):
        tokens('A dog.')
