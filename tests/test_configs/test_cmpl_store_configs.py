"""Pseudo labels of the teacher as files: which images, which network, which file."""

from __future__ import annotations

import re
import runpy
import sys

import pytest
import torch
from mmdet.registry import PARAM_SCHEDULERS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from recipes import commands, option, read_page, section, without_launcher

from mmdet_ovis.apis.extraction import TeacherNetwork
from mmdet_ovis.apis.extraction.setup import build_source
from mmdet_ovis.pseudo_labels.sources import TeacherSource, teacher
from mmdet_ovis.pseudo_labels.sources.base import NO_WORD

TEACHER = 'cmpl/cmpl_teacher_r50-c4_90k_ov-coco'
STUDENT = 'cmpl/cmpl_student_r50-c4_70k_ov-coco'
OFFLINE = 'cmpl/cmpl_offline_r50-c4_70k_ov-coco'
EXTRACT = {
    'cmpl/cmpl_extract_r50-c4_ov-coco': STUDENT,
    'openshapes/cmpl_extract': 'openshapes/cmpl_student',
}
RANDOM = {'RandomFlip'}
PAGE = section(read_page('docs/cmpl.md'), 'Pseudo labels as files')
RECIPE = commands(PAGE)


@pytest.fixture
def load(root):
    def read(name):
        init_default_scope('mmdet')
        return Config.fromfile(root / 'configs' / f'{name}.py')

    return read


@pytest.mark.parametrize('name', EXTRACT)
def test_extraction_sees_what_the_student_trains_on(load, name):
    cfg, student = load(name), load(EXTRACT[name])
    assert cfg.model == student.model
    ours, theirs = cfg.test_dataloader.dataset, student.train_dataloader.dataset
    assert not ours.test_mode
    changed = {k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k)}
    assert changed - {'test_mode'} == {'pipeline'}
    steps = {step.type: step for step in ours.pipeline}
    before = {s.type: s for s in theirs.pipeline if s.type not in RANDOM}
    assert list(steps) == list(before)
    assert steps['Resize'].scale == before['Resize'].scale
    assert steps['LoadAnnotations'].with_bbox
    assert steps['PackDetInputs'].meta_keys == before['PackDetInputs'].meta_keys


@pytest.mark.parametrize('name', EXTRACT)
def test_extraction_keeps_what_the_teacher_says(load, name):
    source = build_source(load(name), TeacherNetwork)
    assert isinstance(source, TeacherSource)
    assert source.parameters == {'topk': None, 'min_score': None, 'min_area': 1}


def test_offline_training_is_the_teacher_going_on(load):
    offline, teacher, student = load(OFFLINE), load(TEACHER), load(STUDENT)
    head = teacher.model.roi_head.bbox_head
    assert head.pop('freeze_emb')
    assert offline.model == teacher.model
    assert offline.load_from == student.load_from
    assert offline.load_from.startswith(f'work_dirs/{TEACHER.rpartition("/")[2]}/')
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'auto_scale_lr'):
        assert offline[key] == student[key]
    for key in ('test_dataloader', 'test_evaluator', 'test_cfg', 'custom_hooks'):
        assert offline[key] == teacher[key]


def test_offline_training_adds_novel_words_to_base_classes(load):
    dataset = load(OFFLINE).train_dataloader.dataset
    assert dataset.type == 'OVPseudoLabelCocoDataset'
    assert (dataset.train_class, dataset.pseudo_class) == ('base', 'novel')
    student = load(STUDENT).train_dataloader.dataset
    for key in ('data_root', 'ann_file', 'data_prefix', 'filter_cfg'):
        assert dataset[key] == student[key]
    assert dataset.additional_ann_file == 'annotations/cmpl_pseudo_train2017.json'


def test_cmpl_case_17_learning_rates(load):
    cfg = load(OFFLINE)
    module = torch.nn.Linear(1, 1)
    wrapper = build_optim_wrapper(module, cfg.optim_wrapper)
    schedulers = [
        PARAM_SCHEDULERS.build(scheduler, default_args=dict(optimizer=wrapper))
        for scheduler in cfg.param_scheduler
    ]
    weight, bias = wrapper.optimizer.param_groups
    assert weight['params'] == [module.weight]
    assert (weight['weight_decay'], bias['weight_decay']) == (1e-4, 0)
    rates = {}
    for step in range(50001):
        if step in (0, 250, 500, 19999, 20000, 49999, 50000):
            rates[step] = weight['lr']
            assert bias['lr'] == pytest.approx(2 * weight['lr'])
        for scheduler in schedulers:
            scheduler.step()
    expected = {
        0: 0.0016667, 250: 0.0033333, 500: 0.005, 19999: 0.005, 20000: 0.0005,
        49999: 0.0005, 50000: 0.00005,
    }  # fmt: skip
    assert rates == pytest.approx(expected, abs=1e-7)
    assert (cfg.train_cfg.max_iters, cfg.auto_scale_lr.base_batch_size) == (70000, 8)
    assert cfg.train_dataloader.batch_size == 1  # of 8 GPUs


# ------------------------------------------------------------ the page


@pytest.mark.parametrize('command', RECIPE, ids=lambda command: command[1])
def test_tools_take_the_options(command, root, monkeypatch):
    tool, *arguments = without_launcher(command)
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    runpy.run_path(str(root / tool))['parse_args']()


def test_each_command_reads_what_the_one_before_writes(load):
    extract, prepare, train = RECIPE
    assert extract[2] == 'configs/cmpl/cmpl_extract_r50-c4_ov-coco.py'
    assert extract[3] == load(STUDENT).load_from
    assert option(prepare, '--inputs') == option(extract, '--out')
    assert train[2] == f'configs/{OFFLINE}.py'
    dataset = load(OFFLINE).train_dataloader.dataset
    written = dataset.data_root + dataset.additional_ann_file
    assert option(prepare, '--out') == written
    assert option(prepare, '--ref') == dataset.data_root + dataset.ann_file


def test_the_page_has_all_reasons():
    listed = re.findall(r'^\| `(\w+)` \|', PAGE, re.M)
    assert listed == [
        NO_WORD, teacher.LABELLED, teacher.SAME_CLASS, teacher.NO_REGION,
        teacher.LOW_SCORE, teacher.SMALL, teacher.BEYOND_TOPK,
    ]  # fmt: skip
