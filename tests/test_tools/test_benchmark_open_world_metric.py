"""The benchmark compares equal things, and says so."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from mmdet_ovis.evaluation.functional import recall_summary

FOLDER = Path(__file__).resolve().parents[2] / 'tools/analysis_tools'
SCRIPT = FOLDER / 'benchmark_open_world_metric.py'


@pytest.fixture
def run(monkeypatch, tmp_path):
    def run_tool(*options):
        out = tmp_path / 'metric.json'
        monkeypatch.syspath_prepend(str(FOLDER))
        command = [SCRIPT, '--detections', 130, '--out', out, *options]
        monkeypatch.setattr(sys, 'argv', [str(part) for part in command])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(SCRIPT), run_name='__main__')
        return end.value.code, json.loads(out.read_text())

    return run_tool


def test_numbers_are_equal_over_several_chunks(run, capsys):
    code, report = run('--images', 60)
    assert code == 0
    assert report['recall_equal']
    assert report['precision_equal']
    assert report['masks'] == 60 * 130
    assert 0.1 < report['recall_at_100'] < 0.9
    assert set(report['seconds']) == {
        'mmdet_ovis',
        'mmdet_ovis, three splits',
        'COCOeval',
        'COCOeval, loading results',
    }
    assert 'recall and precision are equal' in capsys.readouterr().out


def test_a_difference_is_said(run, monkeypatch, capsys):
    original = recall_summary.interpolated_precision
    monkeypatch.setattr(
        recall_summary,
        'interpolated_precision',
        lambda *args: np.nextafter(original(*args), 2),
    )
    code, report = run('--images', 2)
    assert code == 1
    assert report['recall_equal']
    assert not report['precision_equal']
    assert 'NOT EQUAL' in capsys.readouterr().out


def test_without_the_baseline(run):
    code, report = run('--images', 1, '--no-baseline')
    assert code == 0
    assert 'recall_equal' not in report
    assert report['peak_mib'] > 10


def test_chunks_of_cocoeval_are_cocoeval(monkeypatch):
    """One chunk of all images gives what many chunks give."""
    monkeypatch.syspath_prepend(str(FOLDER))
    baseline = runpy.run_path(str(FOLDER / '_cocoeval_baseline.py'))['ChunkedCOCOeval']
    tool = runpy.run_path(str(SCRIPT))
    parser = type('Arguments', (), dict(images=60, detections=110, objects=5, seed=1))
    parts = list(tool['make_images'](parser))
    assert len(parts) == 2

    chunked, at_once = baseline((10, 100)), baseline((10, 100))
    for dataset, results in tool['make_images'](parser):
        chunked.evaluate(chunked.load(dataset, results))
    whole = {key: parts[0][0][key] + parts[1][0][key] for key in parts[0][0]}
    whole['categories'] = parts[0][0]['categories']
    for number, annotation in enumerate(whole['annotations'], 1):
        annotation['id'] = number
    at_once.evaluate(at_once.load(whole, parts[0][1] + parts[1][1]))
    for mine, theirs in zip(chunked.accumulate(), at_once.accumulate(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
