import pytest
from mmdet.datasets import CocoDataset

from mmdet_ovis.structures.class_splits import resolve_split

COCO = CocoDataset.METAINFO['classes']


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


def test_order_is_that_of_the_dataset():
    assert resolve_split(['dog', 'person'], COCO) == ('person', 'dog')


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
    ],
)
def test_mistakes_are_named(split, classes, message):
    with pytest.raises(ValueError, match=message):
        resolve_split(split, classes)
