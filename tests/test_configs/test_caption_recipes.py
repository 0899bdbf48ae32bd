"""docs/data.md: commands for words of captions fit tools and configs."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from recipes import ROOT, commands, option, read_page, section, without_launcher

PAGE = read_page('docs/data.md')
WORDS = commands(section(PAGE, 'Words of captions'))
SPLITS = [c for c in commands(PAGE) if 'ov_split.py' in c[1]]
CONVERT = [c for c in commands(PAGE) if 'openimages_to_coco.py' in c[1]]


def load(name):
    return Config.fromfile(ROOT / f'configs/_base_/datasets/{name}.py')


def parsed(captions):
    (command,) = [c for c in WORDS if c[2] == captions]
    return command


def split_files():
    """What the commands that split write."""
    return {
        f'{option(c, "--out-dir")}/{Path(c[2]).stem}_{option(c, "--splits")}.json'
        for c in SPLITS
    }


@pytest.mark.parametrize(
    'command', [*WORDS, *SPLITS, *CONVERT], ids=lambda c: ' '.join(c[1:3])
)
def test_tools_take_the_options(command, monkeypatch):
    tool, *arguments = without_launcher(command)
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    runpy.run_path(str(ROOT / tool))['parse_args']()


def test_there_are_commands():
    assert (len(WORDS), len(SPLITS), len(CONVERT)) == (6, 2, 3)


def test_words_are_written_where_the_datasets_read_them():
    coco = load('ov_coco_caption').train_dataloader.dataset
    command = parsed(f'{coco.data_root}annotations/captions_train2017.json')
    assert option(command, '--out') == coco.data_root + coco.words_file
    assert option(command, '--class-names') == 'coco65'
    objects, captions = load('ov_openimages_cc').train_dataloader.dataset.datasets
    command = parsed(captions.data_root + captions.ann_file)
    words = captions.data_root + captions.words_file
    assert option(command, '--out') == objects.dataset.caption_vocabulary == words
    assert option(command, '--class-names') in split_files()


def test_open_images_are_written_where_the_datasets_read_them():
    cfg = load('ov_openimages_cc')
    objects, captions = cfg.train_dataloader.dataset.datasets
    base = objects.dataset.data_root + objects.dataset.ann_file
    test = cfg.test_dataloader.dataset
    assert captions.class_file == base
    assert captions.split == objects.dataset.split == 'base'
    assert cfg.test_evaluator.ann_file == test.data_root + test.ann_file
    assert split_files() == {base, cfg.test_evaluator.ann_file}
    converted = {option(c, '--out') for c in CONVERT}
    assert {command[2] for command in SPLITS} <= converted
    judged = [c for c in CONVERT if '--image-labels' in c]
    assert cfg.test_evaluator.verified_only == bool(judged)


def test_both_kinds_of_images_go_through_one_pipeline():
    objects, captions = load('ov_openimages_cc').train_dataloader.dataset.datasets
    coco = load('ov_coco_caption').train_dataloader.dataset
    assert objects.dataset.pipeline == captions.pipeline == coco.pipeline
    plain = load('ov_coco_instance').train_dataloader.dataset.pipeline
    assert plain[:-1] == coco.pipeline[:-1]


@pytest.mark.parametrize(
    'name',
    ['cmpl_teacher_r50-c4_90k_ov-openimages', 'cmpl_student_r50-c4_70k_oi-cc'],
)
def test_vectors_of_open_images_are_written_where_the_detectors_read_them(name):
    model = Config.fromfile(ROOT / f'configs/cmpl/{name}.py').model
    bank = model.get('detector', model).roi_head.bbox_head.embeddings
    classes, words = [c for c in WORDS if bank in c]
    assert option(classes, '--vocab') in split_files()
    assert {option(c, '--encoder') for c in (classes, words)} == {'bert'}
    assert '--append' in words
    captions = load('ov_openimages_cc').train_dataloader.dataset.datasets[1]
    assert option(words, '--words') == captions.data_root + captions.words_file
