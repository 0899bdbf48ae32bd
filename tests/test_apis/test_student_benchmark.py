"""The benchmark of students runs and compares what it says."""

from __future__ import annotations

import json
import runpy
import sys

import pytest
from cmpl_case import detector_config
from mmengine.config import Config
from ov_case import ROOT, tiny_config

from mmdet_ovis.apis.benchmarks.student import benchmark_student

SCRIPT = ROOT / 'tools/analysis_tools/benchmark_student.py'


def student_config(**options):
    model = dict(type='CrossModalPseudoLabel', detector=detector_config(), **options)
    return Config(dict(model=model))


def test_what_is_timed():
    result = benchmark_student(
        student_config(), tiny_config(), (96, 128), batch_size=1, repeats=1
    )
    assert result['student'] > 0
    assert result['student / plain'] == result['student'] / result['plain']


def test_words_need_no_bank(tmp_path):
    """As the published student, which looks for words as captions have them."""
    cfg = student_config(semi_train_cfg=dict(align_with='word'))
    cfg.model.detector.roi_head.bbox_head.embeddings = str(tmp_path / 'none.npz')
    result = benchmark_student(cfg, tiny_config(), (96, 128), batch_size=1, repeats=1)
    assert result['student'] > 0
    assert cfg.model.semi_train_cfg.align_with == 'word'


def test_misuse():
    with pytest.raises(ValueError, match='have to be 1 or more'):
        benchmark_student(student_config(), tiny_config(), words=0)
    with pytest.raises(ValueError, match="MaskRCNN, not 'CrossModalPseudoLabel'"):
        benchmark_student(tiny_config(), tiny_config())
    with pytest.raises(ValueError, match='the config has no model; use a config such'):
        benchmark_student(student_config(), Config(dict(train_cfg=None)))
    wrong = student_config()
    wrong.model.detector.roi_head.alignement = dict(refinements=2)
    with pytest.raises(ValueError, match=r'model of the config cannot be .*neme'):
        benchmark_student(wrong, tiny_config())
    plain = tiny_config()
    plain.model.roi_head.bbox_head = dict(
        type='Shared2FCBBoxHead', in_channels=16, fc_out_channels=32, num_classes=48
    )
    with pytest.raises(ValueError, match='MaskRCNN has no vocabulary; the benchmark'):
        benchmark_student(student_config(), plain)


def run_script(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPT), run_name='__main__')
    return end.value.code


def test_command_line(tmp_path, monkeypatch, capsys):
    student, plain, out = (tmp_path / name for name in ('s.py', 'p.py', 'times.json'))
    student_config().dump(student)
    tiny_config().dump(plain)
    arguments = ('--size', 64, 96, '--batch-size', 1, '--repeats', 1, '--out', out)
    assert run_script(monkeypatch, student, plain, *arguments) == 0
    assert 'student / plain' in capsys.readouterr().out
    assert json.loads(out.read_text())['plain'] > 0


def test_mistakes_end_in_one_line(monkeypatch, capsys):
    assert run_script(monkeypatch, 'none.py', 'none.py') == 2
    assert 'none.py' in capsys.readouterr().err
