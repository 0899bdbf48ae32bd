import pytest

from mmdet_ovis.language.surface import embedding_text, embedding_texts, surface_forms
from mmdet_ovis.language.vocabularies import load_vocabulary
from mmdet_ovis.structures.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ('name', 'text', 'forms'),
    [
        ('car_(automobile)', 'car', ('car',)),
        ('aerosol_can', 'aerosol can', ('aerosol can',)),
        ('monitor_(computer_equipment) computer_monitor', 'monitor', ('monitor',)),
        ('Band_Aid', 'band aid', ('band aid',)),
        ('Cabinet/shelf', 'cabinet or shelf', ('cabinet', 'shelf')),
        ('Tape Measur/ Ruler', 'tape measure or ruler', ('tape measure', 'ruler')),
        ('diningtable', 'dining table', ('dining table',)),
        ('traffic light', 'traffic light', ('traffic light',)),
    ],
)
def test_names_become_words(name, text, forms):
    assert embedding_text(name) == text
    assert surface_forms(name) == forms


def test_a_name_without_words_is_refused():
    with pytest.raises(ValueError, match=r"the name '\(food\)' holds no word"):
        embedding_text('(food)')


def test_qualifiers_stay_where_names_would_be_equal():
    vocabulary = Vocabulary(
        ('bow_(weapon)', 'bow_(ribbon)', 'bus_(vehicle)', 'couch'),
        ((), (), ('autobus', 'bus'), ('Sofa',)),
    )
    assert embedding_texts(vocabulary) == (
        ('bow (weapon)',),
        ('bow (ribbon)',),
        ('bus', 'autobus'),
        ('couch', 'sofa'),
    )


@pytest.mark.parametrize('preset', ['lvis', 'objects365', 'openimages', 'voc'])
def test_classes_of_a_data_set_have_different_texts(preset):
    vocabulary = load_vocabulary(preset)
    texts = [row[0] for row in embedding_texts(vocabulary)]
    assert len(set(texts)) == len(vocabulary)
    assert not any('_' in text or '/' in text for text in texts)
