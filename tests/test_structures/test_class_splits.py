import pytest
from mmdet.datasets import CocoDataset, LVISV1Dataset

from mmdet_ovis.structures.class_splits import (
    COCO_OV_BASE_CLASSES,
    COCO_OV_NOVEL_CLASSES,
    LVIS_COCO_CLASSES,
    resolve_split,
)

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
COCO_IDS_LEFT_OUT = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Between 1 and 90 COCO has no categories of these ids."""
BASE_IDS = (
    1, 2, 3, 4, 7, 8, 9, 15, 16, 19, 20, 23, 24, 25, 27, 31, 33, 34, 35, 38, 42, 44, 48,
    50, 51, 52, 53, 54, 55, 56, 57, 59, 60, 62, 65, 70, 72, 73, 74, 75, 78, 79, 80, 82,
    84, 85, 86, 90,
)  # fmt: skip
NOVEL_IDS = (5, 6, 17, 18, 21, 22, 28, 32, 36, 41, 47, 49, 61, 63, 76, 81, 87)
UNUSED = {
    'traffic light', 'fire hydrant', 'stop sign', 'parking meter', 'sports ball',
    'baseball bat', 'baseball glove', 'tennis racket', 'wine glass', 'hot dog',
    'potted plant', 'dining table', 'cell phone', 'teddy bear', 'hair drier',
}  # fmt: skip


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


def test_case_22_base_and_novel_classes_of_coco():
    base, novel = COCO_OV_BASE_CLASSES, COCO_OV_NOVEL_CLASSES
    assert (len(base), len(novel), len(UNUSED)) == (48, 17, 15)
    assert set(base) | set(novel) | UNUSED == set(COCO)  # 80 names, so all disjoint
    coco_ids = (i for i in range(1, 91) if i not in COCO_IDS_LEFT_OUT)
    ids = dict(zip(COCO, coco_ids, strict=True))
    assert tuple(ids[name] for name in base) == BASE_IDS  # and in COCO's order
    assert tuple(ids[name] for name in novel) == NOVEL_IDS


def test_case_22_named_splits_of_open_vocabulary():
    assert resolve_split('ov_base', COCO) == COCO_OV_BASE_CLASSES
    assert resolve_split('ov_novel', COCO) == COCO_OV_NOVEL_CLASSES
    both = resolve_split('ov_all', COCO)
    assert len(both) == 65
    assert both == tuple(name for name in COCO if name not in UNUSED)
    assert set(resolve_split('not:ov_all', COCO)) == UNUSED


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
