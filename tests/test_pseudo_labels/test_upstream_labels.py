"""Pseudo labels of the original become ours."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest
from pycocotools import mask as mask_api

from mmdet_ovis.apis.coco_preparation import prepare_coco_dataset, read_reference
from mmdet_ovis.pseudo_labels.upstream_labels import import_upstream_labels

SQUARE = [10, 10, 20, 10, 20, 20, 10, 20]


@pytest.fixture
def reference(tmp_path):
    images = [
        {'id': i, 'file_name': f'train/{name}.jpg', 'height': 40, 'width': 50}
        for i, name in ((7, 'a'), (9, 'b'), (11, 'c'))
    ]
    captions = [
        {'id': i, 'image_id': image['id'], 'caption': 'A cat.'}
        for i, image in enumerate(images)
    ]
    content = {'images': images, 'annotations': captions}
    (tmp_path / 'captions.json').write_text(json.dumps(content))
    return read_reference(tmp_path / 'captions.json')


def write(path: Path, labels: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(labels, 3))


def test_masks_words_and_what_is_missing(tmp_path, reference):
    folder = tmp_path / 'labels'
    labels = [
        ('dog', [5, 5, 30, 30], 17.5, []),
        ('Cat', [8, 8, 22, 22], 35.19, [SQUARE, [1, 1, 2, 2]]),
        ('bus', [10, 10, 20, 20], 40.0, [SQUARE]),
    ]
    write(folder / 'train' / 'a_pseudo_label.pkl', labels)
    write(folder / 'b_pseudo_label.pkl', labels[2:])
    report = import_upstream_labels(folder, reference, tmp_path / 'masks.json')
    first, second, third = json.loads((tmp_path / 'masks.json').read_text())
    assert [ann['word'] for ann in first] == ['bus', 'cat']
    assert [ann['rank'] for ann in first] == [0, 1]
    assert [ann['category_id'] for ann in first] == [1, 2]
    assert first[1]['score'] == 35.19
    assert first[1]['proposal_box'] == [8, 8, 22, 22]
    assert mask_api.area(first[0]['segmentation']) == 100
    assert second[0]['image_id'] == 9
    assert third == []
    assert report.n_masks == 3
    assert report.missing.counts == {
        'images without a file': 1,
        'labels without a mask': 1,
    }
    assert 'train/c.jpg' in str(report)


def test_the_next_tool_reads_them(tmp_path, reference):
    write(
        tmp_path / 'labels' / 'a_pseudo_label.pkl',
        [('cat', [9, 9, 21, 21], 3.0, [SQUARE])],
    )
    import_upstream_labels(tmp_path / 'labels', reference, tmp_path / 'masks.json')
    report = prepare_coco_dataset(
        [tmp_path / 'masks.json'], reference.path, tmp_path / 'train.json'
    )
    assert report.per_class == {'cat': 1}


@pytest.mark.parametrize(
    ('polygon', 'number'),
    [
        ([10, 10, 10**9, 10, 20, 20], '1e+09'),
        ([10, 10, 20, 10, 20, -(2**31)], '-2.14748e+09'),
        ([10, 10, 53, 10, 20, 20], '53'),
        ([10, 10, 20, 10, 20, 43], '43'),
        ([-3, 10, 20, 10, 20, 20], '-3'),
    ],
)
def test_outlines_beyond_the_image_are_refused(tmp_path, reference, polygon, number):
    good = ('bus', [10, 10, 20, 20], 40.0, [SQUARE])
    path = tmp_path / 'labels' / 'a_pseudo_label.pkl'
    write(path, [good, ('cat', [9, 9, 21, 21], 3.0, [SQUARE, polygon])])
    message = (
        rf"a_pseudo_label\.pkl\[1\]: .*'cat' has the coordinate {re.escape(number)}"
    )
    with pytest.raises(ValueError, match=f'{message}, beyond an image of 50 x 40'):
        import_upstream_labels(tmp_path / 'labels', reference, tmp_path / 'masks.json')
    assert not (tmp_path / 'masks.json').exists()


def test_outlines_may_reach_as_far_as_the_blur(tmp_path, reference):
    whole = [-2, -2, 52, -2, 52, 42, -2, 42]
    path = tmp_path / 'labels' / 'a_pseudo_label.pkl'
    write(path, [('cat', [0, 0, 50, 40], 3.0, [whole])])
    import_upstream_labels(tmp_path / 'labels', reference, tmp_path / 'masks.json')
    ((label,), *_) = json.loads((tmp_path / 'masks.json').read_text())
    assert mask_api.area(label['segmentation']) == 50 * 40


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_is_run_and_nothing_written(tmp_path, reference):
    write(tmp_path / 'labels' / 'a_pseudo_label.pkl', [Touch(tmp_path / 'touched')])
    with pytest.raises(ValueError, match=r'a_pseudo_label\.pkl'):
        import_upstream_labels(tmp_path / 'labels', reference, tmp_path / 'masks.json')
    assert not (tmp_path / 'touched').exists()
    assert not (tmp_path / 'masks.json').exists()


def test_folders_of_something_else(tmp_path, reference):
    with pytest.raises(FileNotFoundError, match='of any of the 3 images'):
        import_upstream_labels(tmp_path, reference, tmp_path / 'masks.json')
    reference.head['images'][1]['file_name'] = 'val/a.jpg'
    write(tmp_path / 'a_pseudo_label.pkl', [])
    with pytest.raises(ValueError, match='could be of several images'):
        import_upstream_labels(tmp_path, reference, tmp_path / 'masks.json')
