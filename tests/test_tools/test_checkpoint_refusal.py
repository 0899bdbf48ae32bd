"""A booby-trapped checkpoint does not go off in any tool, unless it is trusted."""

from __future__ import annotations

import argparse
import json
import os
import re
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ov_case import write_bank

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(
    path for path in (ROOT / 'tools').rglob('*.py') if not path.name.startswith('_')
)
CONFIGS = ROOT / 'configs' / 'openshapes'
OVIS = ROOT / 'configs' / 'ovis'
CMPL = ROOT / 'configs' / 'cmpl'
LOADER = ('num_workers=0', 'persistent_workers=False')


class _Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


class _Captured(BaseException):
    """Carries the parser of a tool out of it."""


@pytest.fixture
def parsers(monkeypatch):
    """The argument parser of every tool."""

    def capture(parser, *_):
        raise _Captured(parser)

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', capture)
    found = {}
    for tool in TOOLS:
        with pytest.raises(_Captured) as caught:
            runpy.run_path(str(tool), run_name='__main__')
        found[tool.relative_to(ROOT).as_posix()] = caught.value.args[0]
    return found


@pytest.fixture
def trap(tmp_path):
    """A checkpoint that makes a folder when it is unpickled, and that folder."""
    path, marker = tmp_path / 'trap.pth', tmp_path / 'it_went_off'
    torch.save({'state_dict': {}, 'meta': _Bomb(marker)}, path)
    return path, marker


@pytest.fixture
def run(monkeypatch, tmp_path, capfd):
    """Run a tool in this process; returns its exit code and what it says."""

    def run_tool(tool, *command):
        tool = tool.partition(' ')[0]
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, command)])
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / tool), run_name='__main__')
        return stop.value.code, capfd.readouterr().err

    return run_tool


def refusal(result):
    """The one line in which a tool ended."""
    code, text = result
    assert code == 2
    assert 'Traceback (most recent call last)' not in text
    (line,) = (line for line in text.splitlines() if line.startswith('error:'))
    return line


def loader_options(name, data):
    return [
        f'{name}.dataset.data_root={data}',
        *(f'{name}.{option}' for option in LOADER),
    ]


def command_of(tool, trap, data, folder):
    """A command line of a tool that loads the trap, after everything else is right."""
    image = folder / 'image.png'
    cv2.imwrite(str(image), np.zeros((32, 32, 3), dtype=np.uint8))
    truth = data / 'annotations' / 'instances_val.json'
    proposals = ['--gt', truth, '--images', data / 'val', '--pa', trap]
    (folder / 'pa_train.py').write_text(
        (CONFIGS / 'pa_train.py').read_text().replace("'../", f"'{ROOT}/configs/")
    )
    test = ['--cfg-options', *loader_options('test_dataloader', data)]
    words = {'image_id': 1, 'word': 'disc', 'name': 'disc'}
    (folder / 'words.json').write_text(
        json.dumps({'vocabulary': ['disc'], 'words': [words]})
    )
    bank = write_bank(folder / 'bank.npz', dim=768)
    teacher = 'model.detector.roi_head.bbox_head.embeddings'
    return {
        'tools/train.py': [
            *(CONFIGS / 'pa_train.py', '--resume', trap, '--work-dir', folder / 'work'),
            '--cfg-options',
            *loader_options('train_dataloader', data),
            *loader_options('val_dataloader', data),
        ],
        'tools/test.py': [
            *(CONFIGS / 'pa_train.py', trap, '--work-dir', folder / 'work', *test)
        ],
        'tools/test_pa.py': [
            *(CONFIGS / 'pa_train.py', trap, '--work-dir', folder / 'work', *test)
        ],
        'tools/model_converters/convert_ggn.py': [trap, folder / 'converted.pth'],
        'tools/model_converters/convert_cmpl.py': [trap, folder / 'converted.pth'],
        'tools/extract_pa_masks.py': [
            *(CONFIGS / 'pa_extract.py', trap, '--out', folder / 'masks.json'),
            *('--workers', 0, *test),
        ],
        'tools/cmpl/extract_pseudo_masks.py': [
            *(CMPL / 'cmpl_extract_r50-c4_ov-coco.py', trap, '--out'),
            *(folder / 'masks.json', '--workers', 0, *test, f'{teacher}={bank}'),
            'test_dataloader.dataset.ann_file=annotations/instances_train.json',
            'test_dataloader.dataset.data_prefix.img=train',
            'test_dataloader.dataset.base_classes=openshapes_seen',
            'test_dataloader.dataset.novel_classes=openshapes_unseen',
            f'test_dataloader.dataset.words_file={folder / "words.json"}',
        ],
        'tools/analysis_tools/kill_extraction.py': [
            *(CONFIGS / 'pa_extract.py', trap, '--work-dir', folder / 'kills'),
            *('--kills', 1, '--workers', 0, *test),
        ],
        'tools/image_demo.py': [image, '--pa', trap, '--out-dir', folder / 'drawn'],
        'tools/image_demo.py --weights': [
            *(image, '--config', OVIS / 'ovis_base-only_r50-fpn_90k_ov-coco.py'),
            *('--weights', trap, '--texts', 'dog', '--text-encoder', 'hash:512'),
        ],
        'tools/image_demo.py --explain': [
            *(image, '--explain', folder / 'blip', '--texts', 'dog', '--pa', trap),
        ],
        'tools/train_ranker.py': [*proposals, '--out', folder / 'ranker.json'],
        'tools/analysis_tools/benchmark_proposals.py': [*proposals, '--workers', 1],
    }[tool]


# Behind the name of a tool stands what it does, where it does several things.
TOOLS_THAT_LOAD = [
    'tools/analysis_tools/benchmark_proposals.py',
    'tools/analysis_tools/kill_extraction.py',
    'tools/cmpl/extract_pseudo_masks.py',
    'tools/extract_pa_masks.py',
    'tools/image_demo.py',
    'tools/image_demo.py --weights',
    'tools/image_demo.py --explain',
    'tools/model_converters/convert_cmpl.py',
    'tools/model_converters/convert_ggn.py',
    'tools/test.py',
    'tools/test_pa.py',
    'tools/train.py',
    'tools/train_ranker.py',
]


def test_every_tool_that_loads_a_checkpoint_is_here(parsers):
    """It has --trust-checkpoint, or an option that speaks of a checkpoint."""
    found = set()
    for tool, parser in parsers.items():
        for action in parser._actions:
            words = f'{action.dest} {action.metavar} {action.help}'
            if re.search(r'checkpoint\b|\bckpt\b', words.replace('_', ' '), re.I):
                found.add(tool)
    trusting = {
        tool
        for tool, parser in parsers.items()
        if any(action.dest == 'trust_checkpoint' for action in parser._actions)
    }
    assert found == trusting
    assert trusting == {tool.partition(' ')[0] for tool in TOOLS_THAT_LOAD}


@pytest.mark.parametrize('tool', TOOLS_THAT_LOAD)
def test_a_trap_is_refused(tool, trap, openshapes, tmp_path, run):
    path, marker = trap
    error = refusal(run(tool, *command_of(tool, path, openshapes, tmp_path)))
    assert error.startswith(f'error: {path} holds more than weights and plain data')
    assert 'was not loaded, because loading it could run code' in error
    assert not marker.exists()


@pytest.mark.parametrize('tool', TOOLS_THAT_LOAD)
def test_a_trap_is_loaded_on_purpose(tool, trap, openshapes, tmp_path, run):
    """It holds no weights, so the tool fails afterwards."""
    path, marker = trap
    command = command_of(tool, path, openshapes, tmp_path)
    code, text = run(tool, *command, '--trust-checkpoint')
    assert marker.exists()
    assert code == 2
    assert 'was not loaded' not in text


@pytest.mark.parametrize(
    ('config', 'option'),
    [
        ('pa_train', 'load_from'),
        ('class_agn_mask_rcnn', 'model.backbone.init_cfg.checkpoint'),
    ],
)
def test_a_trap_in_the_config_is_refused(
    config, option, trap, openshapes, tmp_path, run
):
    path, marker = trap
    command = [
        *(CONFIGS / f'{config}.py', '--work-dir', tmp_path / 'work', '--cfg-options'),
        *loader_options('train_dataloader', openshapes),
        *loader_options('val_dataloader', openshapes),
        f'{option}={path}',
    ]
    if config != 'pa_train':
        truth = openshapes / 'annotations' / 'instances_val.json'
        command.append(f'val_evaluator.ann_file={truth}')
    error = refusal(run('tools/train.py', *command))
    assert error.startswith(f'error: {path} holds more than weights and plain data')
    assert not marker.exists()
