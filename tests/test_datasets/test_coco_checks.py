"""`check_coco` finds every fault of a file, and none in a good one."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_utils

from mmdet_ovis.datasets.checks import check_coco

SIZE = 40
TOOL = Path(__file__).resolve().parents[2] / 'tools/analysis_tools/check_coco.py'


def _rle(x, y, w, h, size=SIZE):
    mask = np.zeros((size, size), dtype=np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    rle = mask_utils.encode(mask)
    return {'size': rle['size'], 'counts': rle['counts'].decode()}


def _truth():
    polygon = [2, 2, 22, 2, 22, 22, 2, 22]
    return {
        'images': [
            {'id': i, 'file_name': f'{i}.png', 'height': SIZE, 'width': SIZE}
            for i in (1, 2)
        ],
        'annotations': [
            {
                'id': 1,
                'image_id': 1,
                'category_id': 1,
                'bbox': [2, 2, 20, 20],
                'area': 400,
                'iscrowd': 0,
                'segmentation': [polygon],
            },
            {
                'id': 2,
                'image_id': 2,
                'category_id': 1,
                'bbox': [5, 5, 10, 12],
                'area': 120.0,
                'segmentation': _rle(5, 5, 10, 12),
            },
        ],
        'categories': [{'id': 1, 'name': 'object'}],
    }


def _pseudo(image_id=1, rank=0, **changes):
    return {
        'image_id': image_id,
        'category_id': 1,
        'segmentation': _rle(3, 4, 12, 10),
        'bbox': [3, 4, 12, 10],
        'area': 120,
        'iscrowd': 0,
        'score': 1.8,
        'rank': rank,
        'gt_iou': 0.1,
        'source': 'pa',
        'pseudo': 1,
        **changes,
    }


@pytest.fixture
def check(tmp_path):
    def run(content, **options):
        path = tmp_path / 'file.json'
        path.write_text(json.dumps(content))
        return check_coco(path, **options)

    return run


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for i in (1, 2):
        cv2.imwrite(str(folder / f'{i}.png'), np.zeros((SIZE, SIZE, 3), np.uint8))
    return folder


def test_good_files_have_no_problem(check, images):
    report = check(_truth(), image_dir=images)
    assert not report.problems
    assert '2 images, 2 annotations, 1 categories; no problem found' in str(report)
    merged = _truth()
    merged['annotations'].append({'id': 3, **_pseudo()})
    assert not check(merged).problems
    assert not check([[_pseudo(), _pseudo(rank=1)], []]).problems
    assert not check([]).problems


def test_good_results_fit_their_images(check, images, tmp_path):
    ref = tmp_path / 'ref.json'
    ref.write_text(json.dumps(_truth()))
    results = [
        {'image_id': 1, 'category_id': 1, 'score': 0.5, 'bbox': [0, 0, 3, 3]},
        {'image_id': 2, 'category_id': 1, 'score': 0, 'segmentation': _rle(1, 1, 4, 4)},
    ]
    assert not check(results, ref=ref, image_dir=images).problems
    results[0]['image_id'] = 9
    results[1]['segmentation'] = _rle(1, 1, 4, 4, size=20)
    assert check(results, ref=ref).problems.counts == {
        'image_id is of no image': 1,
        'mask is of another size than its image': 1,
    }


def _drop(*path):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


def _set(value, *path):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ('change', 'problem'),
    [
        (_drop('categories'), 'no list at the top level'),
        (_set(3, 'images', 0), 'images: entry is no object'),
        (_drop('images', 0, 'file_name'), "images: key 'file_name' is missing"),
        (_set('7', 'images', 0, 'id'), "images: key 'id' is not an integer"),
        (_set(0, 'images', 0, 'width'), 'height or width is no positive integer'),
        (_set(2, 'images', 0, 'id'), 'image id is used twice'),
        (_set('2.png', 'images', 0, 'file_name'), 'file_name is used twice'),
        (
            lambda c: c['categories'].append({'id': 1, 'name': 'a'}),
            'category id is used twice',
        ),
        (
            lambda c: c['categories'].append({'id': 2, 'name': 'object'}),
            'category name is used twice',
        ),
        (_drop('annotations', 1, 'area'), "annotations: key 'area' is missing"),
        (
            _set([1], 'annotations', 1, 'image_id'),
            "annotations: key 'image_id' is not an integer",
        ),
        (_set(1, 'annotations', 1, 'id'), 'annotation id is used twice'),
        (
            _set(0, 'annotations', 1, 'id'),
            'annotation id is 0, which pycocotools never counts as found',
        ),
        (_set(9, 'annotations', 1, 'image_id'), 'image_id is of no image'),
        (_set(9, 'annotations', 1, 'category_id'), 'category_id is of no category'),
        (_set(0, 'annotations', 1, 'area'), 'area is no positive number'),
        (_set(2, 'annotations', 1, 'iscrowd'), 'iscrowd is neither 0 nor 1'),
        (_set([1, 2, 3], 'annotations', 1, 'bbox'), 'bbox is not four finite numbers'),
        (
            _set([1, 2, 3, 0], 'annotations', 1, 'bbox'),
            'bbox has no width or no height',
        ),
        (
            _set([25, 5, 35, 17], 'annotations', 1, 'bbox'),
            'bbox leaves the image (is it x, y, width, height?)',
        ),
        (
            _set([20, 20, 15, 15], 'annotations', 1, 'bbox'),
            'bbox and mask are at different places',
        ),
        (
            _set([[1, 2]], 'annotations', 0, 'segmentation'),
            'polygons are not lists of at least three points',
        ),
        (
            _set('x', 'annotations', 0, 'segmentation'),
            'mask is neither polygons nor an RLE',
        ),
        (
            _set(_rle(1, 1, 9, 9, size=30), 'annotations', 0, 'segmentation'),
            'mask is of another size than its image',
        ),
        (
            _set('5', 'annotations', 1, 'segmentation', 'counts'),
            'mask is damaged',
        ),
        (
            _set([SIZE * SIZE], 'annotations', 1, 'segmentation', 'counts'),
            'mask is empty',
        ),
    ],
)
def test_faults_of_annotation_files_are_found(check, change, problem):
    content = _truth()
    change(content)
    report = check(content)
    assert problem in report.problems.counts
    assert f'1 x {problem}, for example ' in str(report)


def test_faults_are_counted_not_raised(check):
    content = _truth()
    content['annotations'][0].update(area=-1, bbox=[0, 0, 0, 0], category_id=5)
    content['annotations'][1].update(id=1, area=float('nan'))
    report = check(content)
    assert report.problems.counts == {
        'category_id is of no category': 1,
        'area is no positive number': 2,
        'bbox has no width or no height': 1,
        'annotation id is used twice': 1,
    }
    assert '; 5 problems\n' in str(report)


@pytest.mark.parametrize(
    ('entry', 'problem'),
    [
        (3, 'list: entry is no object'),
        ({'category_id': 1}, "list: key 'image_id' is missing"),
        (_pseudo(score='high'), "pseudo annotation: key 'score'"),
        (_pseudo(gt_iou=1.5), "pseudo annotation: key 'gt_iou'"),
        (_pseudo(segmentation=_rle(0, 0, 0, 0)), 'mask is empty'),
    ],
)
def test_faults_of_extracted_masks_are_found(check, entry, problem):
    assert problem in check([[_pseudo(), entry]]).problems.counts


def test_ranks_must_differ_within_an_image(check):
    counts = check([[_pseudo(), _pseudo()], [_pseudo(2)]]).problems.counts
    assert counts == {'rank is used twice in an image': 1}


def test_other_entries_among_lists_are_found(check):
    counts = check([[_pseudo()], 7]).problems.counts
    assert counts == {'entry is no list of the masks of one image': 1}


def test_faults_of_results_are_found(check):
    counts = check([{'image_id': 1, 'score': 'x'}, {'image_id': 1}]).problems.counts
    assert counts == {
        'result has neither bbox nor segmentation': 1,
        'score is no finite number': 1,
        "list: key 'score' is missing": 1,
    }


def test_image_files_are_compared(check, images):
    (images / '1.png').write_bytes(b'')
    cv2.imwrite(str(images / '2.png'), np.zeros((SIZE, 7, 3), np.uint8))
    content = _truth()
    content['images'].append(
        {'id': 3, 'file_name': '3.png', 'height': SIZE, 'width': SIZE}
    )
    report = check(content, image_dir=images)
    assert report.problems.counts == {
        'image file cannot be read': 1,
        'image file has another size': 1,
        'image file is missing': 1,
    }
    assert '2.png: (40, 7), not (40, 40) (height, width)' in str(report)


def test_what_cannot_be_checked_is_an_error(check, images, tmp_path):
    with pytest.raises(ValueError, match=r'file\.json holds a int'):
        check(3)
    with pytest.raises(FileNotFoundError, match='no such folder'):
        check(_truth(), image_dir=tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='ref is for lists'):
        check(_truth(), ref='x.json')
    with pytest.raises(ValueError, match='pass ref as well'):
        check([], image_dir=images)
    ref = tmp_path / 'ref.json'
    ref.write_text('[]')
    with pytest.raises(ValueError, match=r'ref\.json is not a COCO annotation file'):
        check([], ref=ref)
    broken = _truth()
    del broken['images'][0]['width']
    ref.write_text(json.dumps(broken))
    with pytest.raises(ValueError, match=r"problems of its own.*'width' is missing"):
        check([], ref=ref)


@pytest.mark.parametrize(('faulty', 'code'), [(False, 0), (True, 1)])
def test_command_line_tells_by_its_exit_code(
    tmp_path, images, monkeypatch, capsys, faulty, code
):
    content = _truth()
    if faulty:
        content['annotations'][1]['id'] = 1
    path = tmp_path / 'file.json'
    path.write_text(json.dumps(content))
    command = [TOOL, path, '--images', images]
    monkeypatch.setattr(sys, 'argv', list(map(str, command)))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert end.value.code == code
    assert ('1 x annotation id is used twice' in capsys.readouterr().out) == faulty
