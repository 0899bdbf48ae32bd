"""From captions to pictures: every tool of Mask-free OVIS in turn, on a few images."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from generation_case import generate, make_dataset
from mmengine.config import Config
from ov_case import DIM, tiny_config, write_bank
from pycocotools.coco import COCO

from mmdet_ovis.apis.coco_preparation import prepare_coco_dataset
from mmdet_ovis.apis.running import build_runner

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
WORDS = ('red', 'green', 'blue')


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    make_dataset(folder)
    return folder


@pytest.fixture(scope='module')
def pseudo(images, tmp_path_factory):
    """A training set of pseudo labels; its vocabulary is the words that occur."""
    folder = tmp_path_factory.mktemp('pseudo')
    generate(images, folder / 'masks.json')
    report = prepare_coco_dataset(
        [folder / 'masks.json'], images / 'captions.json', folder / 'train.json'
    )
    assert report.n_kept > 5
    return folder / 'train.json'


@pytest.fixture(scope='module')
def trained(images, pseudo, tmp_path_factory):
    """A tiny network after 20 iterations on it."""
    folder = tmp_path_factory.mktemp('trained')
    cfg: Config = tiny_config()
    write_bank(folder / 'bank.npz', WORDS)
    cfg.model.roi_head.bbox_head.embeddings = str(folder / 'bank.npz')
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.train_dataloader.dataset.update(
        ann_file=str(pseudo),
        split=None,
        data_root='',
        data_prefix=dict(img=str(images)),
    )
    for step in cfg.train_dataloader.dataset.pipeline:
        if step.type == 'Resize':
            step.scale = (128, 96)
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=20)
    cfg.default_hooks.checkpoint.interval = 20
    cfg.default_hooks.logger.interval = 1
    cfg.optim_wrapper.optimizer.lr = 0.001
    cfg.dump(folder / 'ovis.py')
    runner = build_runner(cfg, 'ovis.py', str(folder / 'work'), 'none')
    runner.train()
    losses, _ = runner.message_hub.get_scalar('train/loss').data
    np.save(folder / 'losses.npy', losses)
    return folder


def test_case_25_losses_stay_finite(trained):
    losses = np.load(trained / 'losses.npy')
    assert len(losses) == 20
    assert np.isfinite(losses).all()


def test_case_25_pictures_and_json_of_any_words(trained, images, tmp_path, monkeypatch):
    tool = TOOLS / 'image_demo.py'
    command = [
        str(tool), str(images / '1.png'), '--config', str(trained / 'ovis.py'),
        '--weights', str(trained / 'work' / 'iter_20.pth'), '--embeddings',
        str(trained / 'bank.npz'), '--text-encoder', f'hash:{DIM}', '--texts',
        'red. zebra', '--score-thr', '0', '--out-dir', str(tmp_path), '--device', 'cpu',
    ]  # fmt: skip
    monkeypatch.setattr(sys, 'argv', command)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(tool), run_name='__main__')
    assert stop.value.code == 0
    assert (tmp_path / '1.png').is_file()
    coco = COCO(str(tmp_path / 'detections.json'))
    assert [cat['name'] for cat in coco.cats.values()] == ['red', 'zebra']
    assert coco.anns
    for ann in coco.anns.values():
        assert coco.annToMask(ann).shape == (60, 80)


def test_captions_are_kept_with_the_images(pseudo):
    content = json.loads(pseudo.read_text())
    assert {cat['name'] for cat in content['categories']} == set(WORDS)
    assert content['images'][0]['captions'][1] == 'Something red.'
