"""The pointing game and overlaps by word, on squares that a model of colours sees."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from generation_case import SIZE, SQUARES, generate, make_config, make_dataset
from mmengine.logging import MMLogger

from mmdet_ovis.apis.word_quality import MEAN, measure_words, words_table
from mmdet_ovis.evaluation.functional.pointing_game import points_at

NAMES = ['red', 'green', 'blue']


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('squares')
    make_dataset(folder)
    images, annotations = [], []
    for image_id, squares in SQUARES.items():
        images.append(
            {'id': image_id, 'file_name': f'{image_id}.png', 'height': SIZE[0],
             'width': SIZE[1]}
        )  # fmt: skip
        for name, (x1, y1, x2, y2) in squares.items():
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': image_id,
                    'category_id': 1 + NAMES.index(name),
                    'bbox': [x1, y1, x2 - x1, y2 - y1],
                    'area': (x2 - x1) * (y2 - y1),
                    'segmentation': [[x1, y1, x2, y1, x2, y2, x1, y2]],
                    'iscrowd': 0,
                }
            )
    categories = [{'id': i, 'name': name} for i, name in enumerate(NAMES, 1)]
    (folder / 'instances.json').write_text(
        json.dumps(
            {'images': images, 'annotations': annotations, 'categories': categories}
        )
    )
    return folder


def test_words_are_found_and_measured(dataset, tmp_path):
    masks = tmp_path / 'masks.json'
    generate(dataset, masks)
    result = measure_words(
        make_config(dataset), dataset / 'instances.json', masks, device='cpu'
    )
    assert list(result) == [*NAMES, MEAN]
    # Image 8 is said to have red, and has none: a miss.
    assert result['red']['num_searches'] == 4
    assert result['red']['pointing_accuracy'] == 0.75
    assert result['green']['pointing_accuracy'] == 1
    assert result['red']['num_masks'] == 3
    assert 0.5 < result['red']['mask_iou'] <= 1
    mean = result[MEAN]
    assert mean['num_masks'] == sum(result[name]['num_masks'] for name in NAMES)
    assert mean['pointing_accuracy'] == pytest.approx((0.75 + 1 + 1) / 3)
    table = words_table(result)
    assert '75.0' in table
    assert MEAN in table


def test_without_masks(dataset):
    result = measure_words(
        make_config(dataset), dataset / 'instances.json', limit=1, device='cpu'
    )
    assert result['red']['mask_iou'] is None
    assert result['green']['pointing_accuracy'] is None
    assert result[MEAN]['num_masks'] == 0
    assert ' - ' in words_table(result)


def test_messages(dataset, tmp_path):
    content = json.loads((dataset / 'instances.json').read_text())
    for category in content['categories']:
        category['name'] = category['name'].upper()
    other = tmp_path / 'other.json'
    other.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='none of the 3 classes of the vocabulary'):
        measure_words(make_config(dataset), other, device='cpu')
    masks = tmp_path / 'masks.json'
    generate(dataset, masks)
    cfg = make_config(dataset, vocabulary=['red'])
    with pytest.raises(ValueError, match='no class of the vocabulary is called'):
        measure_words(cfg, dataset / 'instances.json', masks, device='cpu')


@pytest.fixture
def warned(monkeypatch):
    """What is logged as a warning."""
    said = []

    def keep(_, message, *args):
        said.append(message % args)

    monkeypatch.setattr(MMLogger, 'warning', keep)
    return said


def test_words_that_nobody_has_drawn_are_left_out(dataset, tmp_path, warned):
    masks = tmp_path / 'masks.json'
    generate(dataset, masks)
    content = json.loads((dataset / 'instances.json').read_text())
    content['categories'] = content['categories'][1:]
    content['annotations'] = [x for x in content['annotations'] if x['category_id'] > 1]
    (tmp_path / 'gt.json').write_text(json.dumps(content))
    result = measure_words(
        make_config(dataset), tmp_path / 'gt.json', masks, device='cpu'
    )
    assert list(result) == ['green', 'blue', MEAN]
    assert result[MEAN]['pointing_accuracy'] == 1
    (message,) = warned
    assert message.startswith('1 of 3 words are left out, because ')
    assert message.endswith('gt.json has no such class: red')


def test_images_that_cannot_be_read_are_left_out(dataset, tmp_path, warned):
    folder = shutil.copytree(dataset, tmp_path / 'broken')
    (folder / '2.png').unlink()  # green
    (folder / '9.png').write_bytes(b'')  # red
    whole, result = (
        measure_words(make_config(f), dataset / 'instances.json', device='cpu')
        for f in (dataset, folder)
    )
    for word, fewer in (('red', 1), ('green', 1), ('blue', 0), (MEAN, 2)):
        before = whole[word]['num_searches']
        assert result[word]['num_searches'] == before - fewer
    (message,) = warned
    assert message.startswith('2 of 7 images are left out, because they cannot be read')
    assert '2.png' in message


def test_a_folder_without_the_images_is_refused(dataset, tmp_path):
    cfg = make_config(dataset)
    cfg.captions.img_dir = str(tmp_path)
    with pytest.raises(
        ValueError, match=r'none of the 7 images can be read, the first: .*img_dir'
    ):
        measure_words(cfg, dataset / 'instances.json', device='cpu')


def test_a_file_of_other_images_is_refused(dataset, tmp_path):
    content = json.loads((dataset / 'instances.json').read_text())
    image = content['images'].pop(1)
    (tmp_path / 'gt.json').write_text(json.dumps(content))
    cfg = make_config(dataset)
    with pytest.raises(
        ValueError, match=r'gt\.json lacks 1 of the 7 images .*image_id 2; take the'
    ):
        measure_words(cfg, tmp_path / 'gt.json', device='cpu')
    content['images'].append({**image, 'height': 5})
    (tmp_path / 'gt.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'image_id 2 is \[5, 80\], 2\.png is \[60'):
        measure_words(cfg, tmp_path / 'gt.json', device='cpu')


def test_pointing_with_tolerance():
    target = np.zeros((8, 8), bool)
    target[0, 0] = True
    activation = np.zeros((8, 8))
    activation[3, 4] = 1
    assert not points_at(activation, target, 4)
    assert points_at(activation, target, 5)
    assert not points_at(activation, np.zeros((8, 8), bool), 100)


def test_pointing_refuses():
    with pytest.raises(ValueError, match='tolerance is a number of pixels, not -1'):
        points_at(np.eye(2), np.eye(2) > 0, -1)
    with pytest.raises(ValueError, match='of two dimensions, not 1 and 2'):
        points_at(np.ones(2), np.eye(2) > 0)
