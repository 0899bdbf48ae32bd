"""The benchmark of GradCAM runs and compares what it says."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from mmdet_ovis.apis.benchmarks.gradcam import benchmark_gradcam, write_random_blip
from mmdet_ovis.vlm.blip import BlipMatcher

SCRIPT = (
    Path(__file__).resolve().parents[2] / 'tools/analysis_tools/benchmark_gradcam.py'
)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp('blip')
    write_random_blip(folder, 'tiny')
    return BlipMatcher(folder)


def test_what_is_timed(model):
    result = benchmark_gradcam(model, batch_size=2, words=3, repeats=1)
    assert all(value > 0 for value in result.values())
    assert result['gradcam / stack'] == result['gradcam'] / result['stack']
    assert result['one_by_one / batched'] == result['one_by_one'] / result['batched']


def test_model_is_frozen_afterwards(model):
    benchmark_gradcam(model, batch_size=1, words=1, repeats=1)
    assert not any(p.requires_grad for p in model.parameters())
    assert all(p.grad is None for p in model.parameters())


def test_letters_are_words(model):
    tokens = model.tokenize(['a b z'])
    assert tokens.ids.tolist() == [[30523, 5, 6, 30, 3]]


def test_misuse(model, tmp_path):
    with pytest.raises(ValueError, match='have to be 1 or more'):
        benchmark_gradcam(model, batch_size=0)
    with pytest.raises(ValueError, match="not 'huge'"):
        write_random_blip(tmp_path, 'huge')


def run_script(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPT), run_name='__main__')
    return end.value.code


def test_command_line(tmp_path, monkeypatch, capsys):
    out = tmp_path / 'times.json'
    arguments = ('--size', 'tiny', '--batch-size', 1, '--repeats', 1, '--out', out)
    assert run_script(monkeypatch, *arguments) == 0
    assert 'gradcam / stack' in capsys.readouterr().out
    assert json.loads(out.read_text())['gradcam'] > 0


def test_mistakes_end_in_one_line(monkeypatch, capsys):
    assert run_script(monkeypatch, '--model', './nowhere') == 2
    assert 'no such folder with a model: ./nowhere' in capsys.readouterr().err
