import pytest
from mmdet.datasets import CocoDataset, LVISV1Dataset

from mmdet_ovis.structures.class_splits import LVIS_COCO_CLASSES, resolve_split

COCO = CocoDataset.METAINFO['classes']
LVIS = LVISV1Dataset.METAINFO['classes']
# COCO class -> LVIS v1 category where only the spelling of spaces does not tell.
RENAMED = {
    'car': 'car_(automobile)',
    'bus': 'bus_(vehicle)',
    'train': 'train_(railroad_vehicle)',
    'fire hydrant': 'fireplug',
    'tie': 'necktie',
    'skis': 'ski',
    'sports ball': 'ball',
    'wine glass': 'wineglass',
    'orange': 'orange_(fruit)',
    'donut': 'doughnut',
    'couch': 'sofa',
    'potted plant': 'flowerpot',
    'tv': 'television_set',
    'laptop': 'laptop_computer',
    'mouse': 'mouse_(computer_equipment)',
    'remote': 'remote_control',
    'keyboard': 'computer_keyboard',
    'cell phone': 'cellular_telephone',
    'microwave': 'microwave_oven',
    'hair drier': 'hair_dryer',
}
WITHOUT_LVIS_CATEGORY = {'hot dog'}


@pytest.mark.parametrize(
    ('split', 'size'),
    [('all', 80), ('voc', 20), ('nonvoc', 60), ('person', 1), ('nonperson', 79)],
)
def test_case_c5_sizes(split, size):
    assert len(resolve_split(split, COCO)) == size


@pytest.mark.parametrize(
    ('split', 'rest'), [('voc', 'nonvoc'), ('person', 'nonperson')]
)
def test_case_c5_complements(split, rest):
    names, others = resolve_split(split, COCO), resolve_split(rest, COCO)
    assert not set(names) & set(others)
    assert set(names) | set(others) == set(COCO)
    assert resolve_split(f'not:{split}', COCO) == others


def test_lvis_categories_are_those_of_the_coco_classes():
    expected = [
        RENAMED.get(name, name.replace(' ', '_'))
        for name in COCO
        if name not in WITHOUT_LVIS_CATEGORY
    ]
    assert list(LVIS_COCO_CLASSES) == expected
    assert len(set(expected)) == 80 - len(WITHOUT_LVIS_CATEGORY)
    assert set(expected) <= set(LVIS)


def test_lvis_splits_are_complements():
    coco = resolve_split('lvis_coco', LVIS)
    others = resolve_split('lvis_noncoco', LVIS)
    assert (len(coco), len(others), len(LVIS)) == (79, 1124, 1203)
    assert not set(coco) & set(others)
    assert resolve_split('not:lvis_coco', LVIS) == others
    assert 'sausage' in others


def test_order_is_that_of_the_dataset():
    assert resolve_split(['dog', 'person'], COCO) == ('person', 'dog')


def test_lists_may_hold_category_ids():
    classes = {1: 'person', 18: 'dog', 38: 'kite'}
    assert resolve_split([38, 1], classes) == ('person', 'kite')
    assert resolve_split([18, 'kite'], classes) == ('dog', 'kite')
    assert resolve_split('nonperson', classes) == ('dog', 'kite')
    assert resolve_split('all', classes) == ('person', 'dog', 'kite')


def test_person_is_a_name_not_a_substring():
    assert resolve_split('person', ('personal computer', 'person')) == ('person',)


@pytest.mark.parametrize(
    ('split', 'classes', 'message'),
    [
        ('vocc', COCO, "Did you mean 'voc'"),
        ('voc', ('person',), 'the dataset lacks'),
        (['unicorn'], COCO, 'unicorn'),
        ([], COCO, 'at least one'),
        ('not:object', ('object',), 'leaves no class'),
        ('not:nothing', COCO, 'unknown class split'),
        ([7], {1: 'person'}, r'no category id 7; its ids are 1$'),
        ([7], COCO, 'no category id 7; its ids are not known here'),
        ('voc', LVIS, r"'zucchini'|1203 in all"),
    ],
)
def test_mistakes_are_named(split, classes, message):
    with pytest.raises(ValueError, match=message):
        resolve_split(split, classes)
