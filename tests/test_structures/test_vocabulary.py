import logging
import re

import pytest

from mmdet_ovis.structures.vocabulary import Vocabulary


@pytest.fixture
def warnings(monkeypatch):
    """What is logged as a warning."""
    from mmengine.logging import MMLogger

    messages = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(
        logger, 'warning', lambda message, *args: messages.append(message % args)
    )
    assert isinstance(logger, logging.Logger)
    return messages


def test_forms_begin_with_the_name_and_hold_nothing_twice():
    vocabulary = Vocabulary(['couch', 'dog'], [['Sofa', 'COUCH', 'sofa'], []])
    assert vocabulary.forms(0) == ('couch', 'Sofa')
    assert vocabulary.forms(1) == ('dog',)
    assert Vocabulary(('cat',)).forms(0) == ('cat',)
    assert Vocabulary(('cat',), (('kitty', 'Cat'),)).forms(0) == ('cat', 'kitty')


def test_names_are_found_whatever_their_case():
    vocabulary = Vocabulary(('Traffic light', 'Cigar/Cigarette '))
    assert vocabulary.index('traffic  LIGHT') == 0
    assert vocabulary.index('cigar/cigarette') == 1
    assert 'TRAFFIC LIGHT' in vocabulary
    assert 'lamp' not in vocabulary
    assert 3 not in vocabulary
    assert vocabulary.names[1] == 'Cigar/Cigarette '
    assert len(vocabulary) == 2


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        (
            'motorcicle',
            r"'motorcicle' is not among the 2 .*Did you mean 'motorcycle'\?",
        ),
        ('xylophone', r"'xylophone' is not among the 2 names of the vocabulary\.$"),
    ],
)
def test_unknown_names_are_named(name, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(('dog', 'motorcycle')).index(name)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (((),), 'at least one name'),
        ((('dog', 'cat', 'Dog '),), 'given twice: dog$'),
        ((('dog', ''),), "'' is not a name"),
        ((('dog', 3),), '3 is not a name'),
        ((('dog',), ((' ',),)), "' ' is not a name"),
        ((('dog', 'cat'), (('puppy',),)), '1 lists of synonyms for 2 names'),
        (('dog',), "not the text 'dog'; Vocabulary.parse"),
        ((('dog',), ('puppy',)), "one a name, not the text 'puppy'"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(*arguments)


def test_text_of_users_is_parsed(warnings):
    vocabulary = Vocabulary.parse(' dog. traffic  cone, couch|sofa | settee\nred mug,')
    assert vocabulary.names == ('dog', 'traffic cone', 'couch', 'red mug')
    assert vocabulary.synonyms == ((), (), ('sofa', 'settee'), ())
    assert Vocabulary.parse('dog').synonyms == ()
    assert warnings == []


def test_names_that_are_given_again_are_merged_with_a_warning(warnings):
    vocabulary = Vocabulary.parse('dog, couch|sofa, Dog, COUCH|settee')
    assert vocabulary.names == ('dog', 'couch')
    assert vocabulary.forms(1) == ('couch', 'sofa', 'settee')
    assert warnings == [
        "'Dog' stands in the vocabulary more than once",
        "'COUCH' stands in the vocabulary more than once",
    ]


def test_lists_of_users_are_read(warnings):
    vocabulary = Vocabulary.of(['St. Bernard', ' couch |sofa|', 'Couch|settee'])
    assert vocabulary.names == ('St. Bernard', 'couch')
    assert vocabulary.forms(1) == ('couch', 'sofa', 'settee')
    assert warnings == ["'Couch' stands in the vocabulary more than once"]
    assert Vocabulary.of(iter(['dog', 'cat'])) == Vocabulary(('dog', 'cat'))


@pytest.mark.parametrize(
    ('entries', 'message'),
    [
        ([], 'at least one name'),
        (['dog', ' | '], "' | ' is not a name"),
        (['dog', ''], "'' is not a name"),
        (['dog', 3], '3 is not a name'),
        ('dog', "a list, not the text 'dog'; Vocabulary.parse"),
    ],
)
def test_mistakes_in_lists_are_named(entries, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Vocabulary.of(entries)


@pytest.mark.parametrize('text', ['', ' . ,\n', '|'])
def test_text_without_a_name_is_refused(text):
    with pytest.raises(ValueError, match='at least one name'):
        Vocabulary.parse(text)
