import pytest

from mmdet_ovis.language.lemmas import SimpleLemmatizer, make_lemmatizer


@pytest.mark.parametrize(
    ('text', 'lemmas'),
    [
        ('two women were skiing', 'two woman be ski'),
        ('knives, buses and scissors.', 'knife , bus and scissors .'),
        ("the dog's grass-covered skis", "the dog 's grass - cover ski"),
        ('tied, tying, carried, sitting, riding', 'tie , tie , carry , sit , ride'),
        # Nouns that end like verbs stay.
        ('a building near a painting in the evening', None),
        ('', ''),
    ],
)
def test_base_forms_by_spelling(text, lemmas):
    lemmas = text if lemmas is None else lemmas
    assert SimpleLemmatizer()(text) == lemmas.split()


def test_signs_are_tokens():
    assert SimpleLemmatizer()('bus (vehicle)') == ['bus', '(', 'vehicle', ')']


def test_unknown_backends_are_named():
    with pytest.raises(ValueError, match="one of simple, spacy, not 'nltk'"):
        make_lemmatizer('nltk')
