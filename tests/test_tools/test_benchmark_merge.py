"""The benchmark of merging writes valid inputs and measures both ways."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from mmdet_ovis.structures.pseudo_annotation import check_rle

TOOL = Path(__file__).resolve().parents[2] / 'tools/analysis_tools/benchmark_merge.py'


def test_command_line(tmp_path, monkeypatch, capfd):
    out = tmp_path / 'numbers.json'
    arguments = ['--masks', '50', '--per-image', '8', '--shards', '3']
    arguments += ['--folder', str(tmp_path), '--out', str(out)]
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert end.value.code == 0
    assert '50 masks in 3 files' in capfd.readouterr().out
    numbers = json.loads(out.read_text())
    assert numbers['masks'] == 50
    assert numbers['merge_annotations.py']['peak_mib'] > 10
    assert 1 < numbers['json.load, json.dump']['peak_mib'] < 200
    assert list(tmp_path.iterdir()) == [out]


def test_the_masks_are_realistic():
    make_shape = runpy.run_path(str(TOOL))['make_shape']
    shapes = [make_shape(np.random.default_rng(seed)) for seed in range(200)]
    for shape in shapes:
        check_rle(shape['segmentation'], 'shape')
        assert shape['area'] > 0
    lengths = [len(shape['segmentation']['counts']) for shape in shapes]
    assert 200 < np.mean(lengths) < 350


def test_a_failure_is_an_error():
    run = runpy.run_path(str(TOOL))['run']
    with pytest.raises(ValueError, match='-c failed'):
        run(['-c', 'raise SystemExit(3)'])
