"""Reading both file formats, and the errors of broken files."""

from __future__ import annotations

import pytest

from mmdet_ovis.pseudo_labels.reader import load_pseudo_annotations


def test_both_formats_give_the_same(make_annotation, write_json):
    a, b, c = make_annotation(7, 1), make_annotation(7, 0), make_annotation(9, 0)
    lists = load_pseudo_annotations(write_json('masks.json', [[a, b], [], [c]]))
    assert lists == {7: [b, a], 9: [c]}
    truth = {'id': 1, 'image_id': 7, 'category_id': 3, 'bbox': [0, 0, 2, 2]}
    coco = {'images': [], 'categories': [], 'annotations': [truth, c, a, b]}
    assert load_pseudo_annotations(write_json('coco.json', coco)) == lists


def test_keys_that_older_files_lack_are_filled_in(make_annotation, write_json):
    old = make_annotation()
    for key in ('iscrowd', 'pseudo', 'source'):
        del old[key]
    (ann,) = load_pseudo_annotations(write_json('masks.json', [[old]]))[7]
    assert (ann['iscrowd'], ann['pseudo'], ann['source']) == (0, 1, 'unknown')


def test_files_without_any_mask_are_valid(write_json):
    assert load_pseudo_annotations(write_json('masks.json', [[], []])) == {}
    coco = {'images': [], 'categories': [], 'annotations': []}
    assert load_pseudo_annotations(write_json('coco.json', coco)) == {}


def test_errors_name_file_index_and_key(make_annotation, write_json):
    path = write_json('m.json', [[], [make_annotation(), make_annotation(rank=-1)]])
    with pytest.raises(ValueError, match=r"m\.json\[1\]\[1\]: key 'rank'"):
        load_pseudo_annotations(path)
    coco = {'annotations': [make_annotation(), make_annotation(score='high')]}
    with pytest.raises(ValueError, match=r"c\.json: annotations\[1\]: key 'score'"):
        load_pseudo_annotations(write_json('c.json', coco))


@pytest.mark.parametrize(
    ('content', 'complaint'),
    [
        (3, 'holds a int'),
        ([{'image_id': 1}], r'bad\.json\[0\] is a dict'),
        ({'images': []}, "no list 'annotations'"),
        ({'annotations': [{'id': 1, 'bbox': [0, 0, 1, 1]}]}, 'ground truth only'),
    ],
)
def test_other_files_are_refused(write_json, content, complaint):
    with pytest.raises(ValueError, match=complaint):
        load_pseudo_annotations(write_json('bad.json', content))


def test_missing_and_truncated_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'gone\.json'):
        load_pseudo_annotations(tmp_path / 'gone.json')
    broken = tmp_path / 'broken.json'
    broken.write_text('[[{"image_id": 1')
    with pytest.raises(ValueError, match=r'broken\.json is not valid JSON'):
        load_pseudo_annotations(broken)
