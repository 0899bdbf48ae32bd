"""Images of which only their captions are known."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.registry import DefaultScope

ENTRIES = [
    {'image': 'b.png', 'caption': ['Two dogs.', 'A pair of dogs.']},
    {'image': 'a.png', 'caption': []},
    {'image': 'c.png', 'caption': 'A couch.', 'height': 20, 'width': 30},
]


@pytest.fixture(autouse=True)
def mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def build(tmp_path):
    def make(entries=ENTRIES, **options):
        (tmp_path / 'captions.json').write_text(json.dumps(entries))
        for entry in entries:
            path = tmp_path / 'images' / entry['image']
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), np.zeros((20, 30, 3), np.uint8))
        return DATASETS.build(
            dict(
                type='CaptionDataset',
                data_root=str(tmp_path),
                ann_file='captions.json',
                data_prefix=dict(img='images'),
                pipeline=[dict(type='LoadImageFromFile'), dict(type='ChooseCaption')],
                **options,
            )
        )

    return make


@pytest.mark.parametrize('test_mode', [False, True])
def test_images_with_a_caption(build, test_mode):
    dataset = build(test_mode=test_mode)
    assert len(dataset) == 2
    first, second = dataset.get_data_info(0), dataset.get_data_info(1)
    assert first['captions'] == ['Two dogs.', 'A pair of dogs.']
    assert first['instances'] == []
    for info in (first, second):
        assert (info['height'], info['width']) == (20, 30)
    assert dataset[1]['caption'] == 'A couch.'
    assert dataset[1]['img'].shape == (20, 30, 3)


def test_a_file_without_any_caption_is_refused(build):
    with pytest.raises(ValueError, match=r'none of its 1 images has a caption'):
        build([{'image': 'a.png', 'caption': []}])
