"""Base and novel classes of a file."""

import pytest
from mmdet.datasets import CocoDataset

from mmdet_ovis.structures.base_novel import BaseNovel, find_base_novel
from mmdet_ovis.structures.class_splits import (
    COCO_OV_BASE_CLASSES,
    COCO_OV_NOVEL_CLASSES,
)

COCO = CocoDataset.METAINFO['classes']


def categories(*names, **marks):
    return [
        {'id': i, 'name': name, **({'split': marks[name]} if name in marks else {})}
        for i, name in enumerate(names)
    ]


def test_coco_by_default_if_a_group_is_complete():
    found = find_base_novel(categories(*COCO))
    assert found == BaseNovel(COCO_OV_BASE_CLASSES, COCO_OV_NOVEL_CLASSES)
    novel_only = find_base_novel(categories(*COCO_OV_NOVEL_CLASSES))
    assert novel_only == BaseNovel((), COCO_OV_NOVEL_CLASSES)
    assert find_base_novel(categories('person', 'dog')) == BaseNovel((), ())


def test_marks_of_the_file_go_before_coco():
    marked = categories(*COCO, person='unseen', dog='base', cat='target', cow='other')
    found = find_base_novel(marked)
    assert found == BaseNovel(('dog',), ('person', 'cat'))
    assert [found.group(name) for name in ('dog', 'cat', 'cow')] == [
        'base',
        'novel',
        '',
    ]


def test_arguments_go_before_marks():
    marked = categories('dog', 'cat', 'kite', dog='novel')
    assert find_base_novel(marked, ['kite', 'dog'], ['cat']).base == ('dog', 'kite')
    assert find_base_novel(marked, 'not:person', ['ufo']).base == ('dog', 'cat', 'kite')


@pytest.mark.parametrize(
    ('base', 'novel', 'message'),
    [
        (['dog'], None, 'given together, or neither'),
        (None, ['dog'], 'given together, or neither'),
        (['dog', 'ufo'], ['cat'], r"list of base classes.*lacks: \['ufo'\]"),
        (['dog'], ['cat', 'ufo'], r"list of novel classes.*lacks: \['ufo'\]"),
        (['dog'], ['cat', 'dog'], r"\['dog'\] are base and novel classes at once"),
        ('ov_bass', 'ov_novel', "Did you mean 'ov_base'"),
    ],
)
def test_mistakes_are_named(base, novel, message):
    with pytest.raises(ValueError, match=message):
        find_base_novel(categories('dog', 'cat'), base, novel)
