"""Words of captions for CMPL: the published algorithm and the default one."""

import sys
from types import SimpleNamespace

import pytest
from mmdet.datasets import LVISV1Dataset

from mmdet_ovis.language.caption_words import (
    LemmaWords,
    NounWords,
    make_word_parser,
)
from mmdet_ovis.language.vocabularies import load_vocabulary
from mmdet_ovis.structures.vocabulary import Vocabulary

NAMES = LVISV1Dataset.METAINFO['classes']
SYNONYMS = {
    'airplane': ('airplane', 'aeroplane'),
    'bus_(vehicle)': ('bus_(vehicle)', 'autobus', 'double-decker'),
    'kitten': ('kitten', 'kitty'),
    'necktie': ('necktie', 'tie_(necktie)'),
    'person': ('baby', 'child', 'boy', 'girl', 'man', 'woman', 'person', 'human'),
    'sofa': ('sofa', 'couch', 'lounge'),
}
LVIS = Vocabulary(NAMES, tuple(SYNONYMS.get(name, ()) for name in NAMES))
"""All names at their places, and some of their synonyms."""

KITTEN, NECKTIE = NAMES.index('kitten'), NAMES.index('necktie')

CASE_4 = [
    (
        'Two dogs are lying on the couch.',
        {'dog': 377, 'couch': 981},
        {'dog': 377, 'couch': 981},
    ),
    (
        'a person can ride a bus',
        {'person': 792, 'can': 191, 'bus': 172},
        {'person': 792, 'bus': 172},
    ),
    ('a teddy bear', {'teddy bear': 1070, 'bear': 75}, {'teddy bear': 1070}),
    ('a plane', {}, {'airplane': 2}),
    ('fish', {'fish': 447}, {'fish': 446}),
]


@pytest.fixture(scope='module')
def parity():
    return make_word_parser(LVIS, 'parity')


@pytest.fixture(scope='module')
def fixed():
    return make_word_parser(LVIS, 'fixed')


@pytest.mark.parametrize(('caption', 'in_parity', 'in_fixed'), CASE_4)
def test_cmpl_case_4_both_modes(parity, fixed, caption, in_parity, in_fixed):
    assert parity([caption]) == in_parity
    assert fixed([caption]) == in_fixed


def test_cmpl_case_4_asks_spacy_if_wanted(monkeypatch):
    """A stand-in for the library: its tokens, and base forms by a table."""
    lemmas = {'dogs': 'dog', 'are': 'be', 'lying': 'lie'}

    class Library:
        @staticmethod
        def load(name):
            assert name == 'en_core_web_sm'
            return lambda text: [
                SimpleNamespace(lemma_=lemmas.get(word, word))
                for word in text.replace('.', ' .').replace('(', '( ').split()
            ]

    monkeypatch.setitem(sys.modules, 'spacy', Library)
    words = make_word_parser(LVIS, 'parity', 'spacy')
    caption, expected, _ = CASE_4[0]
    assert words([caption]) == expected
    assert words(['a bus, two Dogs']) == {'dog': 377}  # "bus," is one token here


def test_words_of_all_captions_are_united(parity, fixed):
    captions = ['A man and his kitties.', 'Two kittens with a MAN', '', '...']
    for words in (parity, fixed):
        assert words(captions) == {'man': 792, 'kitty': KITTEN, 'kitten': KITTEN}
        assert words([]) == {}


def test_parity_finds_nested_names_and_verbs():
    words = LemmaWords(Vocabulary(('ski', 'ski_pole', 'pole', 'watch')))
    caption = 'People watched, skiing with ski-poles; ski poles'
    assert words([caption]) == {'watch': 3, 'ski': 0, 'pole': 2, 'ski pole': 1}
    # No part of a word, and nothing across a sign that stands between.
    assert words(['a flagpole; ski, pole']) == {'ski': 0, 'pole': 2}


def test_parity_cuts_qualifiers_and_the_last_class_counts():
    vocabulary = Vocabulary(('tap', 'faucet', 'a/c'), ((), ('Tap_(valve)', 'tap'), ()))
    words = LemmaWords(vocabulary)
    assert words(['two taps']) == {'tap': 1}
    assert words.names == ('tap', 'faucet', 'a c')


def test_names_of_parity_are_canonical(parity):
    assert len(parity.names) == 1203
    places = {'bus vehicle': 172, 'necktie': NECKTIE, 'sofa': 981, 'fish food': 447}
    assert {name: parity.names.index(name) for name in places} == places
    assert not any(sign in name for name in parity.names for sign in '_/()')


def test_fixed_names_the_same_thing_once(fixed):
    words = NounWords(Vocabulary(('airplane', 'dog', 'tv', 'skis')))
    captions = ['a plane, a jet and two planes', 'puppies watch the television']
    assert words(captions) == {'airplane': 0, 'jet': 0, 'puppy': 1, 'tv': 2}
    assert words(['one ski', 'a TV', 'two teevees']) == {'skis': 3, 'tv': 2}
    assert fixed(['a fire-hydrant']) == fixed(['fireplugs']) == {'fireplug': 444}


def test_fixed_knows_what_captions_call_the_classes_of_coco():
    words = make_word_parser(load_vocabulary('coco80'))
    caption = 'a kitty, a jet, a motorbike, my cellphone, the sofa and two TVs'
    assert [(word, words.names[i]) for word, i in words([caption]).items()] == [
        ('kitty', 'cat'),
        ('jet', 'airplane'),
        ('motorcycle', 'motorcycle'),
        ('cell phone', 'cell phone'),
        ('couch', 'couch'),
        ('tv', 'tv'),
    ]
    assert words(['you can ski', 'they train to ski near a hot dog']) == {
        'hot dog': words.names.index('hot dog')
    }


def test_fixed_takes_the_names_of_the_data_set():
    coco = load_vocabulary('coco65').names
    words = make_word_parser(LVIS, classes=coco)
    assert len(words.names) == len(set(words.names)) == 1203
    assert set(coco) <= set(words.names)
    assert not set(coco) <= set(make_word_parser(LVIS).names)
    assert (words.names[981], words.names[377]) == ('couch', 'dog')
    assert words(['a sofa and a tie']) == {'sofa': 981, 'tie': NECKTIE}
    assert {'fish', 'fish (food)', 'puppy'} <= set(words.names)


def test_several_classes_of_the_data_set_that_are_one_keep_their_own_name():
    vocabulary = Vocabulary(('human', 'sofa'), (('boy', 'girl'), ('couch',)))
    assert NounWords(vocabulary, ['boy', 'girl', 'couch']).names == ('human', 'couch')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'mode': 'exact'}, "mode is one of fixed, parity, not 'exact'"),
        ({'backend': 'nltk'}, "parser's backend is one of .* 'nltk'"),
        ({'mode': 'parity', 'backend': 'nltk'}, "lemmatizer's backend is one of"),
        ({'mode': 'parity', 'classes': ['dog']}, "'parity' keeps the names"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make_word_parser(Vocabulary(('dog',)), **options)


@pytest.mark.parametrize('mode', ['fixed', 'parity'])
def test_without_spacy_the_remedy_is_named(monkeypatch, mode):
    monkeypatch.setitem(sys.modules, 'spacy', None)
    with pytest.raises(ValueError, match=r'needs spacy.*pip install "spacy>=3\.7"'):
        make_word_parser(Vocabulary(('dog',)), mode, 'spacy')
