"""Reading both file formats, and the errors of broken files."""

from __future__ import annotations

import json

import pytest

from mmdet_ovis.pseudo_labels.reader import (
    iter_pseudo_images,
    load_pseudo_annotations,
    once_per_image,
)


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
        (3, 'neither a list nor an object'),
        ([[], {'image_id': 1}], r'bad\.json\[1\] is a dict'),
        ([3], r'bad\.json\[0\] is a int'),
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


def test_images_are_read_one_by_one(tmp_path, make_annotation):
    """The first image is there before the reader has met the end of the file."""
    path = tmp_path / 'cut.json'
    lists = [[make_annotation(7, 1), make_annotation(7, 0)], [make_annotation(9)]]
    path.write_text(json.dumps(lists)[:-30])
    images = iter_pseudo_images(path)
    image = next(images)
    assert (image.image_id, [ann['rank'] for ann in image.annotations]) == (7, [0, 1])
    assert image.places == [f'{path}[0][1]', f'{path}[0][0]']
    with pytest.raises(
        ValueError, match=r'cut\.json is not valid JSON: .* line 1, col'
    ):
        next(images)


@pytest.mark.parametrize('form', ['lists', 'coco'])
def test_an_image_that_comes_again_is_refused(write_json, make_annotation, form):
    anns = [make_annotation(7, 0), make_annotation(9, 0), make_annotation(7, 1)]
    content = [[ann] for ann in anns] if form == 'lists' else {'annotations': anns}
    images = once_per_image(iter_pseudo_images(write_json('m.json', content)))
    with pytest.raises(ValueError, match=r'm\.json.*image_id 7 was already read from'):
        list(images)


def test_ground_truth_between_pseudo_annotations_does_not_part_them(
    write_json, make_annotation
):
    truth = {'id': 1, 'image_id': 7, 'category_id': 3, 'bbox': [0, 0, 2, 2]}
    anns = [make_annotation(7, 0), truth, make_annotation(7, 1)]
    (image,) = iter_pseudo_images(write_json('c.json', {'annotations': anns}))
    assert len(image.annotations) == 2


def test_a_list_with_two_images_is_two_images(write_json, make_annotation):
    path = write_json('m.json', [[make_annotation(7), make_annotation(9)]])
    assert [image.image_id for image in iter_pseudo_images(path)] == [7, 9]


def test_text_after_the_end_is_refused(tmp_path):
    for text in ('[[]] 3', '{"annotations": []} 3', '[] 3'):
        path = tmp_path / 'more.json'
        path.write_text(text)
        with pytest.raises(ValueError, match=r'more\.json is not valid.*Extra data'):
            list(iter_pseudo_images(path))
