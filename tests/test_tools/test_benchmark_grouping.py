"""The yardstick of the benchmark does what pa_lib does."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as mask_api

from pa_lib import GroupingConfig, group

FOLDER = Path(__file__).resolve().parents[2] / 'tools/analysis_tools'


@pytest.fixture
def plainly(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return runpy.run_path(str(FOLDER / '_grouping_baseline.py'))['group_plainly']


@pytest.mark.parametrize('globalization', [0.0, 0.5])
def test_baseline_finds_what_pa_lib_finds(plainly, globalization):
    rng = np.random.default_rng(0)
    affinity = 0.9 + 0.05 * rng.random((70, 90))
    affinity[15:45, [20, 21, 58, 59]] = 0.1
    affinity[[15, 16, 43, 44], 20:60] = 0.1
    plain = plainly(affinity, globalization, topk=5)
    config = GroupingConfig.ggn(
        use_globalization=globalization, spectral='pixels', spectral_scale=1.0
    )
    ours = group(affinity, config)
    assert plain['n_leaves'] == ours.tree.n_leaves
    assert set(plain['seconds']) >= {'watershed', 'merging', 'ranking'}
    overlap = mask_api.iou(plain['rles'][:1], ours.rles(1), [0])
    assert overlap[0, 0] == 1.0


def test_command_line(tmp_path, monkeypatch, capsys):
    script, out = FOLDER / 'benchmark_grouping.py', tmp_path / 'grouping.json'
    arguments = [
        '--no-baselines',
        '--repeats',
        '1',
        '--megapixels',
        '0.02',
        '--images',
        '4',
    ]
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, 'argv', [str(script), *arguments, '--out', str(out)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name='__main__')
    assert end.value.code == 0
    table = capsys.readouterr().out
    assert 'watershed' in table
    assert 'images/s' in table
    results = json.loads(out.read_text())
    assert results['growth'][0]['peak_mib'] > 10
    assert out.with_suffix('.png').stat().st_size > 1000
