import pytest

from mmdet_ovis.language.noun_mining import mine_nouns

CAPTIONS = [
    'A man riding a skateboard near a fire hydrant.',
    'Two men stand by the fire hydrant in a city.',
    'A black dog sits on the grass with a man.',
    'A photo of two dogs and a man on the grass.',
    'The man is walking his dog.',
    'A man throws a ball to the dogs',
]


def test_nouns_by_frequency():
    vocabulary = mine_nouns(CAPTIONS)
    assert vocabulary.names == ('man', 'dog', 'fire hydrant', 'grass')


def test_verbs_adjectives_and_words_of_pictures_are_left_out():
    found = mine_nouns(CAPTIONS, min_count=1).names
    assert set(found) == {
        *('man', 'dog', 'fire hydrant', 'grass', 'skateboard', 'city', 'ball')
    }


def test_limits():
    assert mine_nouns(CAPTIONS, max_names=1).names == ('man',)
    assert mine_nouns(CAPTIONS, min_count=6).names == ('man',)


def test_a_rare_compound_counts_for_its_last_word():
    captions = ['a dog', 'the dog', 'two dogs', 'his dog', 'a police dog', 'one dog']
    assert mine_nouns(captions, min_count=1).names == ('dog',)
    captions = ['a police dog', 'the police dog', 'a dog']
    assert mine_nouns(captions, min_count=1).names == ('police dog', 'dog')


@pytest.mark.parametrize(
    ('captions', 'options', 'message'),
    [
        ([], {}, 'no noun that is in 2 of them'),
        (['a dog'], {}, 'no noun that is in 2 of them'),
        (['a dog'], {'min_count': 0}, 'at least 1'),
        (['a dog'], {'max_names': 0}, 'at least 1'),
        (['a dog'], {'backend': 'nltk'}, "backend is one of .*, not 'nltk'"),
    ],
)
def test_mistakes_are_named(captions, options, message):
    with pytest.raises(ValueError, match=message):
        mine_nouns(captions, **options)
