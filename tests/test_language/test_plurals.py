import pytest
from mmdet.datasets import CocoDataset

from mmdet_ovis.language.plurals import number_variants, pluralize, singularize

PAIRS = {
    'dog': 'dogs', 'bus': 'buses', 'box': 'boxes', 'bench': 'benches', 'dish': 'dishes',
    'berry': 'berries', 'toy': 'toys', 'tie': 'ties', 'cookie': 'cookies',
    'knife': 'knives', 'bookshelf': 'bookshelves', 'person': 'people',
    'child': 'children', 'woman': 'women', 'snowman': 'snowmen', 'ottoman': 'ottomans',
    'mouse': 'mice', 'goose': 'geese', 'toothbrush': 'toothbrushes',
    'potato': 'potatoes', 'piano': 'pianos', 'vase': 'vases', 'horse': 'horses',
    'house': 'houses', 'octopus': 'octopuses', 'lens': 'lenses', 'ski': 'skis',
    'shoe': 'shoes', 'mustache': 'mustaches', 'stomach': 'stomachs', 'menu': 'menus',
    'fire hydrant': 'fire hydrants', 'bow-tie': 'bow-ties',
    'wine glass': 'wine glasses', 'chest of drawers': 'chests of drawers',
    'man in suit': 'men in suit',
}  # fmt: skip


@pytest.mark.parametrize('singular', PAIRS)
def test_there_and_back(singular):
    plural = PAIRS[singular]
    assert pluralize(singular) == plural
    assert singularize(plural) == singular
    assert singularize(singular) == singular
    assert number_variants(singular) == (plural,)
    assert number_variants(plural) == (singular,)


@pytest.mark.parametrize(
    'word', ['sheep', 'scissors', 'broccoli', 'aircraft', 'glasses']
)
def test_words_with_one_number(word):
    assert pluralize(word) == singularize(word) == word
    assert number_variants(word) == ()


@pytest.mark.parametrize(
    'word', ['tennis', 'bus', 'glass', 'iris', 'octopus', 'christmas']
)
def test_singulars_in_s_are_kept(word):
    assert singularize(word) == word


def test_all_names_of_coco_survive():
    for name in CocoDataset.METAINFO['classes']:
        singular = singularize(name)
        assert singular == ('ski' if name == 'skis' else name)
        assert singularize(pluralize(singular)) == singular
