"""A teacher's pseudo labels as files: extract, prepare, look at them, train."""

from __future__ import annotations

import json
import runpy
import sys
from itertools import chain

import numpy as np
import pytest
from cmpl_case import HEIGHT, WIDTH, detector_config
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from ov_case import tiny_model
from pycocotools.coco import COCO
from teacher_case import (
    WORDS,
    make_config,
    make_state,
    plain_state,
    write_checkpoint,
    write_dataset,
)

from mmdet_ovis.apis.browsing import browse_dataset
from mmdet_ovis.apis.pseudo_label_report import make_report
from mmdet_ovis.apis.running import build_runner

OFFLINE = 'configs/cmpl/cmpl_offline_r50-c4_70k_ov-coco.py'
ITERATIONS = 2


@pytest.fixture(scope='module')
def run(root):
    """Run a tool in this process."""

    def run_tool(tool, *arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, 'argv', [tool, *map(str, arguments)])
            with pytest.raises(SystemExit) as end:
                runpy.run_path(str(root / 'tools' / tool), run_name='__main__')
            assert end.value.code == 0

    return run_tool


@pytest.fixture(scope='module')
def files(run, tmp_path_factory):
    """Images, the masks of a teacher, and the training set made of them."""
    folder = tmp_path_factory.mktemp('files')
    write_dataset(folder / 'data')
    cfg = make_config(folder / 'data')
    state = plain_state(make_state(cfg))
    checkpoint = write_checkpoint(folder / 'teacher.pth', state)
    cfg.dump(folder / 'extract.py')
    run(
        'cmpl/extract_pseudo_masks.py',
        *(folder / 'extract.py', checkpoint, '--out', folder / 'masks.json'),
        *('--workers', 0, '--device', 'cpu'),
    )
    run(
        'ovis/prepare_coco_dataset.py',
        *('--inputs', folder / 'masks.json', '--ref', folder / 'data' / 'gt.json'),
        *('--vocabulary', 'coco65', '--out', folder / 'data' / 'pseudo.json'),
    )
    return folder


@pytest.fixture
def offline(files, root):
    """The config that trains with the files, on a tiny network."""
    cfg = Config.fromfile(root / OFFLINE)
    cfg.model = detector_config()
    cfg.model.roi_head.type = 'StandardRoIHead'
    cfg.model.roi_head.mask_head.type = 'FCNMaskHead'
    cfg.merge_from_dict(dict(model=tiny_model()))
    cfg.model.roi_head.bbox_head.embeddings = str(files / 'data' / 'bank.npz')
    cfg.load_from = str(files / 'teacher.pth')
    cfg.train_dataloader.dataset.update(
        data_root=str(files / 'data'),
        ann_file='gt.json',
        data_prefix=dict(img=''),
        additional_ann_file='pseudo.json',
        filter_cfg=dict(filter_empty_gt=True),
    )
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=2)
    for step in cfg.train_dataloader.dataset.pipeline:
        if step.type == 'Resize':
            step.scale = (WIDTH, HEIGHT)
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=ITERATIONS)
    cfg.default_hooks.logger.interval = 1
    init_default_scope('mmdet')
    return cfg


def test_the_training_set_has_the_classes_of_coco(files):
    lists = json.loads((files / 'masks.json').read_text())
    coco = COCO(str(files / 'data' / 'pseudo.json'))
    assert len(coco.cats) == 65
    assert list(coco.imgs) == sorted(WORDS, reverse=True)
    found = [(ann['image_id'], ann['word']) for ann in coco.anns.values()]
    expected = [
        (ann['image_id'], ann['word'])
        for anns in lists
        for ann in anns
        if ann['word'] != 'aerosol can'  # is none of COCO's
    ]
    assert sorted(found) == sorted(expected)
    assert {coco.cats[ann['category_id']]['name'] for ann in coco.anns.values()} == {
        word for _, word in expected
    }
    report = json.loads((files / 'data' / 'pseudo.json.report.json').read_text())
    assert set(report['dropped']) == {'word that is not among the classes'}


@pytest.mark.parametrize('file', ['pseudo.json', '../masks.json'])
def test_the_detector_gets_base_labels_and_novel_words(offline, files, file):
    """From the training set, and from the extraction itself."""
    cfg = offline.train_dataloader.dataset
    cfg.additional_ann_file = file
    dataset = DATASETS.build(cfg)
    assert len(dataset) == len(WORDS)
    classes = dataset.metainfo['classes']
    told = {}
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        people, *pseudo = info['instances']
        assert classes[people['bbox_label']] == 'person'
        assert all(instance['source'] == 'teacher' for instance in pseudo)
        told[info['img_id']] = {classes[x['bbox_label']] for x in pseudo}
    assert told == {
        image_id: {ann['word'] for ann in anns if ann['word'] in ('cat', 'dog')}
        for image_id, anns in zip(
            WORDS, json.loads((files / 'masks.json').read_text()), strict=True
        )
    }
    assert told[99] == {'dog'}


def test_it_trains_from_the_teacher(offline, tmp_path):
    runner = build_runner(offline, 'offline.py', str(tmp_path / 'work'), 'none')
    runner.train()
    losses, _ = runner.message_hub.get_scalar('train/loss').data
    assert len(losses) == ITERATIONS
    assert np.isfinite(losses).all()


def test_pictures_of_the_training_set(offline, files, tmp_path):
    pictures = list(browse_dataset(offline, tmp_path / 'drawn', image_ids=[100, 97]))
    assert [path.name for path in pictures] == ['100.png', '97.png']
    assert all(path.stat().st_size for path in pictures)


@pytest.mark.parametrize('file', ['masks.json', 'data/pseudo.json'])
def test_the_report_reads_the_files(files, tmp_path, file):
    numbers = make_report(
        files / file,
        files / 'data',
        tmp_path / 'report',
        gt=files / 'data' / 'gt.json',
        seen_class=['person', 'car'],
    )
    content = json.loads((files / file).read_text())
    lists = [content['annotations']] if isinstance(content, dict) else content
    anns = list(chain.from_iterable(lists))
    assert numbers['masks'] == len(anns) > 3
    assert numbers['images'] == len(WORDS)
    assert numbers['sources'] == {'teacher': len(anns)}
    assert 'teacher' in (tmp_path / 'report' / 'report.md').read_text()
