"""Pictures of COCO-style files, beside ground truth."""

from __future__ import annotations

import json
import runpy
import sys

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mmdet_ovis.apis.coco_browsing import LabelBrowser, browse_coco_file
from mmdet_ovis.evaluation.coco_objects import GroundTruth
from mmdet_ovis.utils.coco import load_coco
from mmdet_ovis.utils.image import read_image, write_image
from mmdet_ovis.visualization import kind_colors

SIDE = 64
COLORS = kind_colors(['ground truth', 'pseudo (gradcam)'])


def rle(x, y, w, h):
    mask = np.zeros((SIDE, SIDE), np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    counts = mask_api.encode(mask)['counts'].decode()
    return {'size': [SIDE, SIDE], 'counts': counts}


def annotation(number, image_id, category_id, box, **more):
    return {
        'id': number,
        'image_id': image_id,
        'category_id': category_id,
        'segmentation': rle(*box),
        'bbox': list(box),
        'area': box[2] * box[3],
        'iscrowd': 0,
        **more,
    }


@pytest.fixture
def files(tmp_path):
    """Image 1: a dog found, a cat taken for a dog, nothing taken for a cat; 2: none."""
    images = [
        {'id': i, 'file_name': f'{i}.png', 'height': SIDE, 'width': SIDE}
        for i in (1, 2)
    ]
    for image in images:
        pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
        write_image(tmp_path / 'images' / image['file_name'], pixels)
    marks = {'source': 'gradcam', 'pseudo': 1, 'gt_iou': 0.0}
    pseudo = [
        annotation(1, 1, 18, (0, 0, 20, 20), score=0.9, rank=0, **marks),
        annotation(2, 1, 18, (40, 0, 20, 16), score=0.8, rank=1, **marks),
        annotation(3, 1, 17, (0, 50, 9, 9), score=0.7, rank=2, **marks),
    ]
    categories = [{'id': 17, 'name': 'cat'}, {'id': 18, 'name': 'dog'}]
    truth = [
        annotation(1, 1, 1, (0, 0, 20, 20)),
        annotation(2, 1, 2, (40, 0, 20, 20)),
        annotation(3, 2, 2, (0, 0, 60, 60), iscrowd=1),
    ]
    names = [{'id': 1, 'name': 'dog'}, {'id': 2, 'name': 'cat'}]
    for name, content in (
        ('pseudo', {'annotations': pseudo, 'categories': categories}),
        ('gt', {'annotations': truth, 'categories': names}),
    ):
        text = json.dumps({'images': images, **content})
        (tmp_path / f'{name}.json').write_text(text)
    return tmp_path


def shares(picture, kind):
    return (picture == COLORS[kind]).all(axis=2).sum()


def test_words_scores_and_overlaps(files):
    truth = GroundTruth(load_coco(files / 'gt.json').dataset, 'gt.json')
    browser = LabelBrowser(files / 'pseudo.json', files / 'images', truth)
    browser.draw(0)
    texts = [browser._text(x) for x in browser.recorder.instances]
    assert texts == [
        'dog 0.90 IoU 1.00',
        'dog 0.80 IoU 0.80 (cat)',
        'cat 0.70 IoU 0.00',
    ]
    browser.draw(1)  # nothing was found
    assert browser.recorder.instances == []
    plain = LabelBrowser(files / 'pseudo.json', files / 'images')
    plain.draw(0)
    assert plain._text(plain.recorder.instances[0]) == 'dog 0.90'


def test_pictures_side_by_side_with_ground_truth(files):
    options = {'image_dir': files / 'images', 'out_dir': files / 'out'}
    paths = list(browse_coco_file(files / 'pseudo.json', **options))
    assert [path.name for path in paths] == ['1.png', '2.png']
    alone = read_image(paths[0])
    assert shares(alone, 'pseudo (gradcam)') > 0
    assert shares(alone, 'ground truth') == 0
    options['gt'] = files / 'gt.json'
    beside = [read_image(x) for x in browse_coco_file(files / 'pseudo.json', **options)]
    assert beside[0].shape[1] == alone.shape[1] * 3 // 2 + 2  # a third picture, a gap
    assert (
        beside[0][:, : alone.shape[1] // 2] == alone[:, : alone.shape[1] // 2]
    ).all()
    assert shares(beside[0], 'ground truth') > 0
    assert shares(beside[1], 'pseudo (gradcam)') == 0


def test_command_line_and_missing_images(files, monkeypatch, capsys, root):
    path = str(root / 'tools/ovis/visualize_coco_style_dataset.py')
    arguments = [
        *(files / 'pseudo.json', '--images', files / 'images'),
        *('--out-dir', files / 'drawn', '--image-ids', 2, '--boxes'),
    ]
    monkeypatch.setattr(sys, 'argv', [path, *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(path, run_name='__main__')
    assert end.value.code == 0
    assert capsys.readouterr().out.strip() == str(files / 'drawn' / '2.png')
    with pytest.raises(FileNotFoundError, match=r'no such image: .*1\.png'):
        list(browse_coco_file(files / 'pseudo.json', files, files / 'out'))


def test_ground_truth_of_other_images_is_refused(files):
    content = json.loads((files / 'gt.json').read_text())
    content['images'] = content['images'][1:]
    content['annotations'] = content['annotations'][2:]
    (files / 'gt.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"pseudo\.json: 'image_id' 1 is not an image"):
        list(
            browse_coco_file(
                files / 'pseudo.json',
                files / 'images',
                files / 'out',
                files / 'gt.json',
            )
        )
