"""COCO files read and written annotation by annotation."""

from __future__ import annotations

import io
import json

import pytest

from mmdet_ovis.utils.coco_stream import (
    iter_coco_annotations,
    load_coco_head,
    write_coco,
    write_list,
)

IMAGE = {'id': 1, 'height': 2, 'width': 3}


@pytest.fixture
def write(tmp_path):
    def to(content: object):
        path = tmp_path / 'coco.json'
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return to


def test_annotations_come_with_their_place_wherever_they_stand(write):
    anns = [{'id': 3}, {'id': 9}]
    for content in (
        {'annotations': anns, 'images': [IMAGE] * 3, 'info': {'annotations': [{}]}},
        {'images': [IMAGE], 'info': 4, 'annotations': anns},
    ):
        path = write(content)
        places = [f'{path}: annotations[{i}]' for i in range(2)]
        assert list(iter_coco_annotations(path)) == list(zip(places, anns, strict=True))


def test_the_head_keeps_all_keys_in_their_order(write):
    content = {
        'info': {'year': 2020},
        'annotations': [{'id': 3}, {'id': 9}, {'id': 4}],
        'images': [IMAGE],
        'extra': [1, 2],
        'categories': [{'id': 1, 'name': 'a'}],
    }
    coco, last_id = load_coco_head(write(content))
    assert last_id == 9
    assert coco.dataset == {**content, 'annotations': []}
    assert list(coco.dataset) == list(content)
    assert coco.imgs == {1: IMAGE}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([], 'the top level is a list'),
        ('{"images": [', 'not valid JSON'),
        ({'images': [], 'categories': []}, r"no list \['annotations'\]"),
        ({'annotations': [{'id': 'x'}]}, r"annotations\[0\]: key 'id' is missing or"),
        ({'images': [{}], 'annotations': [], 'categories': []}, "lacks the key 'id'"),
    ],
)
def test_other_files_have_no_head(write, content, message):
    with pytest.raises(ValueError, match=rf'coco\.json.*{message}'):
        load_coco_head(write(content))


@pytest.mark.parametrize('content', [{'images': []}, {'annotations': {'item': [1]}}])
def test_files_without_annotations_are_refused(write, content):
    with pytest.raises(ValueError, match=r"coco\.json .* has no list 'annotations'"):
        list(iter_coco_annotations(write(content)))


@pytest.mark.parametrize('anns', [[], [{'id': 1}], [{'id': 1}, {'name': 'ä"\n'}]])
def test_the_text_is_that_of_json_dump(anns):
    head = {'info': None, 'annotations': [], 'images': [IMAGE], 'größe': 1.5}
    file = io.StringIO()
    write_coco(file, head, (('x', ann) for ann in anns), 'ref.json')
    assert file.getvalue() == json.dumps({**head, 'annotations': anns})
    file = io.StringIO()
    write_list(file, (('x', ann) for ann in anns))
    assert file.getvalue() == json.dumps(anns)


def test_what_json_does_not_know_is_named():
    nan = float('nan')
    with pytest.raises(ValueError, match=r'm\.json\[3\] cannot be written: .*float'):
        write_list(io.StringIO(), [('m.json[3]', {'score': nan})])
    with pytest.raises(ValueError, match=r'ref\.json: info cannot be written'):
        write_coco(io.StringIO(), {'info': nan}, [], 'ref.json')


def test_lists_may_be_optional(write):
    path = write({'images': [IMAGE], 'annotations': [{'id': 3}]})
    with pytest.raises(ValueError, match=r"no list \['categories'\]"):
        load_coco_head(path)
    coco, last_id = load_coco_head(path, optional=('categories',))
    assert (coco.dataset['categories'], last_id) == ([], 3)
