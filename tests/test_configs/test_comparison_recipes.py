"""docs/comparison.md: its commands run, its rows are what the demos compare."""

from __future__ import annotations

import re
import runpy
import sys

import pytest
from mmengine.config import Config
from recipes import ROOT, commands, option, read_page, without_launcher

from mmdet_ovis.apis.demos.cmpl_stages import VARIANTS as CMPL_VARIANTS
from mmdet_ovis.apis.demos.ggn_methods import DEMO_METHODS, METHODS
from mmdet_ovis.apis.demos.ovis_stages import VARIANTS as OVIS_VARIANTS

PAGE = read_page('docs/comparison.md')
COMMANDS = commands(PAGE)
FOLDERS = [
    *(f'demo_colors/{name}' for name in DEMO_METHODS),
    *(f'demo-ovis/{name}' for name in OVIS_VARIANTS),
    *(f'demo-cmpl/{name}' for name in CMPL_VARIANTS),
]


def parse(command, monkeypatch):
    tool, *arguments = without_launcher(command)
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    return runpy.run_path(str(ROOT / tool))['parse_args']()


@pytest.mark.parametrize('command', COMMANDS, ids=lambda command: command[1])
def test_tools_take_the_options(command, monkeypatch):
    parse(command, monkeypatch)


def test_all_detectors_learn_and_are_judged_by_the_same_images(monkeypatch):
    *demos, recall = COMMANDS
    data = {str(parse(command, monkeypatch).data_root) for command in demos}
    assert len(demos) == 3
    assert {f'{folder}/annotations/instances_val.json' for folder in data} == {
        option(recall, '--gt')
    }


def schedule(name) -> tuple[int, int]:
    cfg = Config.fromfile(ROOT / 'configs/openshapes' / f'{name}.py')
    return cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size


def test_all_detectors_learn_as_long(monkeypatch):
    epochs = parse(COMMANDS[0], monkeypatch).epochs
    with_words = [f'ov_{v}' for v in OVIS_VARIANTS] + [
        f'cmpl_{v}' for v in CMPL_VARIANTS
    ]
    without = [METHODS[name].config for name in DEMO_METHODS]
    assert {schedule(name) for name in with_words} == {(epochs, 4)}
    assert {schedule(name)[1] for name in without} == {4}
    assert f'{epochs} epochs of 4 images a step' in ' '.join(PAGE.split())


def test_every_row_has_its_folder_and_its_command(monkeypatch):
    *demos, recall = COMMANDS
    work_dirs = [str(parse(command, monkeypatch).work_dir) for command in demos]
    folders = re.findall(r'`(demo[\w-]*/[\w-]+)`', PAGE)
    assert folders == FOLDERS
    assert sorted({f'work_dirs/{name.split("/")[0]}' for name in folders}) == sorted(
        work_dirs
    )
    assert re.fullmatch(
        r'work_dirs/(.*)/detections\.segm\.json', option(recall, '--dt')
    )


def test_both_tables_have_a_row_for_each_detector():
    tables = re.findall(r'(?:^\|.*\n)+', PAGE, re.M)
    rows = [
        [line.split('|')[1].strip() for line in table.splitlines()[2:]]
        for table in tables
    ]
    assert len(rows) == 2
    assert rows[0] == rows[1]
    assert len(rows[0]) == len(FOLDERS)
