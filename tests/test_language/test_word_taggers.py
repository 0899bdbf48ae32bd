"""Which words name things, by neighbours and by part of speech."""

import sys

import pytest

from mmdet_ovis.language.captions import split_words
from mmdet_ovis.language.noun_parser import NounParser
from mmdet_ovis.language.taggers import SimpleTagger, SpacyTagger, make_tagger
from mmdet_ovis.structures.vocabulary import Vocabulary


def dropped(caption, tagger=None):
    """Words that name nothing by themselves."""
    words = split_words(caption)
    nouns = (tagger or SimpleTagger()).nouns(caption, words)
    return [word.text for word, noun in zip(words, nouns, strict=True) if not noun]


@pytest.mark.parametrize(
    ('caption', 'words'),
    [
        # verbs
        ('a man in a suit and tie', []),
        ('a man tries to tie a tie', ['tie']),
        ('men tie their shoes', ['tie']),
        ('a woman forks vegetables', ['forks']),
        ('a dog watches a ball', ['watches']),
        ('two watches on a table', []),
        ('a person can ride a bus', ['can']),
        ('eating as fast as they can', ['can']),
        ('a trash can on the street', []),
        ('a soda can', []),
        ('can', []),
        ('standing next to train cars', []),
        ('a boat that sails the sea', ['sails']),
        # adjectives
        ('an orange cat', ['orange']),
        ('an orange and white cat', ['orange']),
        ('a black and orange kite', ['orange']),
        ('the cat is orange', ['orange']),
        ('an orange on a plate', []),
        ('orange slices and an orange', []),
        ('an orange and an apple', []),
        ('a glass vase', ['glass']),
        ('a glass of wine', []),
        ('a remote beach', ['remote']),
        # compounds
        ('a red bus at a bus stop', ['bus']),
        ('two train stations', ['train']),
        ('a hot dog', ['dog']),
        ('teddy bears', ['bears']),
        ('a slice of carrot cake', ['carrot']),
        ('a cake', []),
        # punctuation divides
        ('a dog, house and bus', []),
        ('it is hot. Dogs sleep', []),
    ],
)
def test_neighbours_tell(caption, words):
    assert dropped(caption) == words


def test_names_of_several_words_are_not_judged():
    parser = NounParser(Vocabulary(('hot dog', 'can opener', 'bus stop')))
    found = parser('a can opener, a hot dog and a bus stop')
    assert [p.name for p in found] == ['can opener', 'hot dog', 'bus stop']


def test_runs_of_nouns():
    caption = 'A red fire hydrant stands near two big trees, people walking a dog'
    words = split_words(caption)
    runs = SimpleTagger().noun_runs(caption, words)
    texts = [[word.text for word in words[a:b]] for a, b in runs]
    assert texts == [['fire', 'hydrant'], ['trees'], ['dog']]


def test_missing_spacy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'spacy', None)
    with pytest.raises(
        ValueError, match=r"'spacy' needs spacy.*pip install \"spacy>=3"
    ):
        NounParser(Vocabulary(('dog',)), backend='spacy')
    assert isinstance(make_tagger('simple'), SimpleTagger)


@pytest.fixture
def pipeline(tmp_path):
    """A spaCy pipeline that knows the part of speech of a few words."""
    spacy = pytest.importorskip('spacy')
    nlp = spacy.blank('en')
    ruler = nlp.add_pipe('attribute_ruler')
    for tag, words in {
        'VERB': 'tie sits',
        'NOUN': 'man shoes fire hydrant dog bus stop',
        'DET': 'a his the',
        'ADJ': 'red',
    }.items():
        for word in words.split():
            ruler.add(patterns=[[{'LOWER': word}]], attrs={'POS': tag})
    nlp.to_disk(tmp_path / 'pipeline')
    return str(tmp_path / 'pipeline')


def test_spacy_keeps_nouns(pipeline):
    tagger = SpacyTagger(pipeline)
    assert dropped('a man tie shoes', tagger) == ['a', 'tie']
    assert dropped("the dog's bus stop", tagger) == ['the', 's', 'bus']


def test_spacy_finds_runs_of_nouns(pipeline):
    caption = 'The red fire hydrant sits, man. Dog-bus'
    words = split_words(caption)
    runs = SpacyTagger(pipeline).noun_runs(caption, words)
    texts = [[word.text for word in words[a:b]] for a, b in runs]
    assert texts == [['fire', 'hydrant'], ['man'], ['dog', 'bus']]


def test_a_missing_pipeline_is_named():
    pytest.importorskip('spacy')
    with pytest.raises(
        OSError, match="pipeline 'en_nowhere' is not installed: python -m"
    ):
        SpacyTagger('en_nowhere')


class _Token:
    def __init__(self, text, idx, pos):
        self.idx, self.pos_, self._length = idx, pos, len(text)

    def __len__(self):
        return self._length


def test_the_parser_asks_spacy(monkeypatch):
    """A stand-in for the library, so that this runs without it."""
    tags = {'bears': 'NOUN', 'fish': 'VERB'}

    class _Library:
        @staticmethod
        def load(name):
            assert name == 'en_core_web_sm'
            return lambda caption: [
                _Token(word.text, word.start, tags.get(word.text, 'X'))
                for word in split_words(caption)
            ]

    monkeypatch.setitem(sys.modules, 'spacy', _Library)
    parser = NounParser(Vocabulary(('bear', 'fish')), backend='spacy')
    assert [p.text for p in parser('Bears fish')] == ['Bears']
