"""Nouns with the words in front of them, and word pieces of captions."""

from __future__ import annotations

import pytest

from mmdet_ovis.language.noun_chunks import noun_chunk
from mmdet_ovis.language.word_pieces import (
    SPECIAL_PIECES,
    make_word_pieces,
    write_word_pieces,
)
from mmdet_ovis.structures.phrase import Phrase
from mmdet_ovis.vlm.albef import load_wordpiece


@pytest.mark.parametrize(
    ('caption', 'word', 'expected'),
    [
        ('two large brown dogs run', 'dogs', 'two large brown dogs'),
        ('a man near the old dog', 'dog', 'the old dog'),
        ('a red, big dog', 'dog', 'dog'),  # a sign stands between
        ('a house with dogs', 'dogs', 'dogs'),
        ('dog', 'dog', 'dog'),
        ('a hot dog stand', 'hot dog', 'a hot dog'),
    ],
)
def test_chunks(caption, word, expected):
    start = caption.index(word)
    chunk = noun_chunk(caption, Phrase('dog', word, start, start + len(word)))
    assert chunk.text == expected
    assert caption[chunk.start : chunk.end] == expected
    assert chunk.name == 'dog'


def test_any_word_can_be_written_with_the_pieces(tmp_path):
    path = tmp_path / 'vocab.txt'
    number = write_word_pieces(path, ['A red disc.', 'a blue disc'])
    pieces = path.read_text().splitlines()
    assert len(pieces) == number == len(set(pieces))
    assert pieces[:5] == list(SPECIAL_PIECES)
    assert pieces[-3:] == ['blue', 'disc', 'red']
    tokenizer = load_wordpiece(path)
    assert tokenizer.tokenize('red discs') == ['red', 'disc', '##s']
    assert '[UNK]' not in tokenizer.tokenize('zebra crossing 42')


def test_the_most_frequent_words_are_taken():
    texts = ['dog dog cat cat bird']
    assert make_word_pieces(texts, max_words=2)[-2:] == ['cat', 'dog']


def test_texts_without_a_word():
    with pytest.raises(ValueError, match='no word in these texts'):
        make_word_pieces(['...', ''])
