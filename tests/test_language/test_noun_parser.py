import pytest
from mmdet.datasets import LVISV1Dataset

from mmdet_ovis.language.captions import clean_caption
from mmdet_ovis.language.noun_parser import NounParser
from mmdet_ovis.language.vocabularies import load_vocabulary
from mmdet_ovis.structures.phrase import Phrase
from mmdet_ovis.structures.vocabulary import Vocabulary

LVIS = LVISV1Dataset.METAINFO['classes']


def names(phrases):
    return [phrase.name for phrase in phrases]


@pytest.fixture(scope='module')
def coco():
    return NounParser(load_vocabulary('coco80'))


@pytest.fixture(scope='module')
def lvis():
    return NounParser(load_vocabulary('lvis'))


def test_case_1_offsets_of_a_cleaned_caption(coco):
    caption = clean_caption('A black and brown dog laying on a grass-covered ground...')
    (phrase,) = coco(caption)
    assert phrase == Phrase('dog', 'dog', 18, 21)
    assert caption[18:21] == 'dog'


@pytest.mark.parametrize('match', ['longest', 'first'])
def test_case_1_hot_dog_and_dog(match):
    parser = NounParser(Vocabulary(('dog', 'hot dog')), match=match)
    found = parser('a man eats a hot dog')
    assert names(found) == (['hot dog'] if match == 'longest' else ['hot dog', 'dog'])
    assert found[0] == Phrase('hot dog', 'hot dog', 13, 20)


def test_all_occurrences_or_the_first():
    vocabulary = Vocabulary(('dog', 'cat'))
    caption = 'a dog and a cat and a dog'
    assert [p.start for p in NounParser(vocabulary)(caption)] == [2, 12, 22]
    assert [p.start for p in NounParser(vocabulary, match='first')(caption)] == [2, 12]


def test_compat_takes_forms_as_they_stand():
    vocabulary = Vocabulary(('airplane', 'dog'), (('plane', 'jet'), ()))
    parser = NounParser(vocabulary, match='first')
    found = parser('a jet plane over two dogs')
    assert [(p.name, p.text) for p in found] == [
        ('airplane', 'jet'),
        ('airplane', 'plane'),
    ]
    assert names(parser('a tie')) == []
    # Verbs count.
    assert names(NounParser(Vocabulary(('tie',)), match='first')('they tie knots')) == [
        'tie'
    ]


def test_only_whole_words_match(coco):
    assert coco('a catlike scarf, carpets and a busy doghouse') == []
    assert names(coco('The cat-like CAT_2 sat.')) == ['cat', 'cat']


def test_punctuation_divides_forms():
    parser = NounParser(Vocabulary(('hot dog', 'fire hydrant')))
    assert names(parser('it is hot, dog')) == []
    assert names(parser('a fire-hydrant, a fire  hydrant')) == ['fire hydrant'] * 2


def test_longer_forms_win_wherever_they_begin():
    parser = NounParser(Vocabulary(('tennis ball', 'ball machine gun', 'gun')))
    assert names(parser('a tennis ball machine gun')) == ['ball machine gun']
    assert names(parser('a tennis ball gun')) == ['tennis ball', 'gun']


def test_plurals():
    vocabulary = Vocabulary(('knife', 'skis', 'traffic light', 'person'))
    caption = 'people with knives, one ski and traffic lights'
    found = NounParser(vocabulary)(caption)
    assert [(p.name, p.text) for p in found] == [
        ('person', 'people'),
        ('knife', 'knives'),
        ('skis', 'ski'),
        ('traffic light', 'traffic lights'),
    ]
    assert names(NounParser(vocabulary, plurals=False, aliases=None)(caption)) == []


def test_aliases():
    vocabulary = Vocabulary(('airplane', 'cat', 'couch'))
    caption = 'two kitties in a plane look at jets from sofas'
    assert names(NounParser(vocabulary)(caption)) == [
        'cat',
        'airplane',
        'airplane',
        'couch',
    ]
    assert names(NounParser(vocabulary, aliases=None)(caption)) == []
    own = NounParser(vocabulary, aliases={'couch': ('davenport',)})
    assert names(own('a plane and two davenports')) == ['couch']


def test_what_the_vocabulary_holds_beats_aliases():
    vocabulary = Vocabulary(('dog', 'puppy', 'sheep', 'lamb chop'))
    assert names(NounParser(vocabulary)('a puppy and a pup and a lamb')) == [
        'puppy',
        'dog',
        'sheep',
    ]


def test_the_first_meaning_wins():
    vocabulary = Vocabulary(
        ('fish', 'fish_(food)', 'faucet', 'tap', 'glasses', 'glass'),
        ((), (), ('tap', 'cock'), (), (), ('cock',)),
    )
    parser = NounParser(vocabulary)
    assert names(parser('a fish')) == ['fish']
    assert names(parser('the tap')) == ['tap']  # a name beats a synonym
    assert names(parser('a cock')) == ['faucet']
    assert names(parser('two glasses')) == ['glasses']  # a name beats a plural


def test_forms_with_apostrophes_are_found_in_cleaned_captions():
    parser = NounParser(Vocabulary(('baseball glove',)))
    for caption in ("a catcher's mitt", clean_caption("a catcher's mitt")):
        assert names(parser(caption)) == ['baseball glove']


@pytest.mark.parametrize(
    ('caption', 'expected'),
    [
        ('Two dogs are lying on the couch.', ['dog', 'sofa']),
        ('a person can ride a bus', ['person', 'bus_(vehicle)']),
        ('a teddy bear', ['teddy_bear']),
        ('a plane', ['airplane']),
        ('a fish', ['fish']),
    ],
)
def test_lvis_captions(lvis, caption, expected):
    assert names(lvis(caption)) == expected


def test_lvis_names_stand_at_the_known_places(lvis):
    places = {'airplane': 2, 'bus_(vehicle)': 172, 'dog': 377, 'fish': 446, 'sofa': 981}
    assert {name: LVIS.index(name) for name in places} == places
    assert len(lvis.vocabulary) == 1203


def test_every_lvis_name_is_found_where_it_stands_alone(lvis):
    """But for the second of two names that read the same."""
    lost = []
    for name in LVIS:
        caption = f'there is a {name.partition("_(")[0].replace("_", " ")}'
        if name not in names(lvis(caption)):
            lost.append(name)
    assert sorted(lost) == [
        'bow_(decorative_ribbons)',
        'fish_(food)',
        'octopus_(animal)',
        'pan_(metal_container)',
        'salmon_(food)',
    ]


def test_result_does_not_depend_on_the_order_of_unrelated_names(coco):
    caption = 'a man with a hot dog and two cats near a fire hydrant'
    shuffled = NounParser(Vocabulary(coco.vocabulary.names[::-1]))
    assert shuffled(caption) == coco(caption)


def test_empty_captions(coco):
    assert coco('') == coco('...') == []
    assert NounParser(Vocabulary(('dog',)), match='first')('') == []


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'match': 'all'}, "match is one of longest, first, not 'all'"),
        (
            {'backend': 'nltk'},
            "parser's backend is one of simple, spacy, not 'nltk'",
        ),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        NounParser(Vocabulary(('dog',)), **options)


@pytest.mark.parametrize('match', ['longest', 'first'])
def test_a_name_without_letters_is_refused(match):
    with pytest.raises(ValueError, match=r"no caption can say '\+': it has no letters"):
        NounParser(Vocabulary(('dog', '+')), match=match)
