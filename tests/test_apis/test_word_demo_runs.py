"""What demos with words make of the results of their stages: summary, table, pictures.

The categories of the ground truth have the ids 5 and 9, so that they are neither places
nor numbers of words.
"""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_api

from mmdet_ovis.apis.demos import (
    cmpl,
    cmpl_stages,
    ovis,
    ovis_stages,
    word_demo,
    word_pictures,
)
from mmdet_ovis.apis.demos.word_pictures import draw_word_demo
from mmdet_ovis.apis.demos.word_tables import TABLE_KEYS
from mmdet_ovis.apis.word_quality import MEAN
from mmdet_ovis.utils.image import read_image

SIZE = 48
PLACES = {'disc': (4, 6, 16, 12), 'star': (24, 20, 18, 20)}  # x, y, width, height
IDS = {'disc': 5, 'star': 9}
RUNS = {
    'cmpl': (cmpl.run_cmpl_demo, cmpl_stages.CmplDemoOptions, cmpl_stages.VARIANTS),
    'ovis': (ovis.run_ovis_demo, ovis_stages.OvisDemoOptions, ovis_stages.VARIANTS),
}


def annotation(name, category, **more):
    """An object where its name has it, as a rectangle."""
    x, y, w, h = PLACES[name]
    return dict(image_id=1, category_id=category, bbox=[x, y, w, h], area=w * h, **more)


def rle(name):
    x, y, w, h = PLACES[name]
    mask = np.zeros((SIZE, SIZE), np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    found = mask_api.encode(mask)
    return dict(size=[SIZE, SIZE], counts=found['counts'].decode())


def polygon(name):
    x, y, w, h = PLACES[name]
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


@pytest.fixture
def data_root(tmp_path):
    """One image of either split, with a disc and a star."""
    folder = tmp_path / 'data'
    (folder / 'annotations').mkdir(parents=True)
    truth = dict(
        images=[dict(id=1, file_name='1.png', height=SIZE, width=SIZE)],
        categories=[dict(id=IDS[name], name=name) for name in PLACES],
        annotations=[
            annotation(n, IDS[n], id=i, iscrowd=0, segmentation=polygon(n))
            for i, n in enumerate(PLACES, 1)
        ],
    )
    for split in ('train', 'val'):
        (folder / split).mkdir()
        cv2.imwrite(
            str(folder / split / '1.png'), np.full((SIZE, SIZE, 3), 90, np.uint8)
        )
        file = folder / 'annotations' / f'instances_{split}.json'
        file.write_text(json.dumps(truth))
    return folder


def write_masks(path):
    """As a source writes them that numbers the words of captions, from 1."""
    path.parent.mkdir(parents=True)
    anns = [
        annotation('star', 2, word='star', score=0.9, rank=0),
        annotation('disc', 1, word='disc', score=0.6, rank=1),
    ]
    for ann in anns:
        ann.update(segmentation=rle(ann['word']), gt_iou=0.0, source='teacher')
    path.write_text(json.dumps([anns]))


def write_detections(path):
    found = [annotation('disc', 5, score=0.4), annotation('star', 9, score=0.8)]
    unsure = annotation('disc', 5, score=0.2)
    for detection in (*found, unsure):
        detection['segmentation'] = rle('star')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([*found, unsure]))


@pytest.fixture
def drawn(monkeypatch):
    """Names in the order in which they are drawn, of each panel."""
    panels, draw = [], word_pictures.draw_detections

    def keep(image, boxes, labels, scores, masks, names, *args, **kwargs):
        panels.append([names[label] for label in labels])
        return draw(image, boxes, labels, scores, masks, names, *args, **kwargs)

    monkeypatch.setattr(word_pictures, 'draw_detections', keep)
    return panels


def test_pictures_name_what_is_drawn(data_root, tmp_path, drawn):
    write_masks(tmp_path / 'w' / 'masks.json')
    write_detections(tmp_path / 'w' / 'found.json')
    folder = draw_word_demo(
        data_root,
        tmp_path / 'w' / 'masks.json',
        {'detector': tmp_path / 'w' / 'found.json'},
        tmp_path / 'pictures',
    )
    truth = ['disc', 'star']
    assert drawn == [truth, ['star', 'disc'], truth, ['star', 'disc']]
    files = {path.name for path in folder.iterdir()}
    assert files == {
        f'{split}_{what}.png' for split in ('train', 'val') for what in
        ('000001', 'overview')
    }  # fmt: skip
    picture = read_image(folder / 'train_000001.png')
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3  # not grey alone


@pytest.mark.parametrize('demo', RUNS)
def test_a_run_sums_up_what_its_stages_left(
    demo, data_root, tmp_path, drawn, monkeypatch
):
    run, options, variants = RUNS[demo]
    options = options(work_dir=tmp_path / 'w', data_root=data_root, seed=4)

    def pretend(chain, work_dir, report):
        write_masks(options.masks)
        for i, name in enumerate(variants):
            write_detections(work_dir / name / 'detections.segm.json')
            metrics = {f'coco/{key}': 0.1 * (i + 1) for key in TABLE_KEYS}
            (work_dir / name / 'metrics.json').write_text(json.dumps(metrics))
        row = dict(pointing_accuracy=0.5, num_searches=2, mask_iou=0.25, num_masks=1)
        (work_dir / 'words.json').write_text(json.dumps({'disc': row, MEAN: row}))
        return dict.fromkeys([stage.name for stage in chain[:1]], 2.0)

    monkeypatch.setattr(word_demo, 'run_stages', pretend)
    lines = []
    summary = run(options, lines.append)
    assert json.loads((tmp_path / 'w' / 'summary.json').read_text()) == summary
    assert summary['seed'] == 4
    assert summary['seconds'] == {'data': 2.0}
    for i, name in enumerate(variants):
        assert summary[name]['segm_novel_AP50'] == pytest.approx(0.1 * (i + 1))
    text = '\n'.join(lines)
    assert all(title in text for title in variants.values())
    assert ('pointing game' in text) == ('words' in summary) == (demo == 'ovis')
    assert str(tmp_path / 'w' / 'summary.json') in text
    assert (tmp_path / 'w' / 'pictures' / 'val_overview.png').is_file()
    assert len(drawn) == 2 + 1 + len(variants)
