"""One tool for the runs of all demos: which table, and what it refuses."""

from __future__ import annotations

import json
import runpy
import sys

import pytest

from mmdet_ovis.apis.demos import cmpl_stages, ovis_stages
from mmdet_ovis.apis.demos.word_tables import TABLE_KEYS
from mmdet_ovis.apis.word_quality import MEAN

TOOL = 'tools/analysis_tools/compare_demo_seeds.py'
GGN_KEYS = ('segm_AR@10', 'segm_AR@100', 'segm_AP', 'segm_F1@100')


def variants(names, value):
    return {name: dict.fromkeys(TABLE_KEYS, value) for name in names}


def ggn(value):
    of_split = dict.fromkeys(GGN_KEYS, value)
    names = ('baseline', 'ggn', 'pseudo')
    return {name: dict(seen=of_split, unseen=of_split) for name in names}


def ovis(value):
    found = dict(pointing_accuracy=value, num_searches=3, mask_iou=value, num_masks=2)
    return dict(words={MEAN: found}, **variants(ovis_stages.VARIANTS, value))


def cmpl(value):
    return variants(cmpl_stages.VARIANTS, value)


@pytest.fixture
def compare(root, tmp_path, monkeypatch, capsys):
    """Run the tool on summaries; gives the exit code and what it says."""

    def run(*summaries, keys=()):
        files = []
        for i, summary in enumerate(summaries):
            files.append(tmp_path / f'{i}.json')
            files[-1].write_text(json.dumps(summary))
        arguments = [root / TOOL, *files, *(['--keys', *keys] if keys else [])]
        monkeypatch.setattr(sys, 'argv', list(map(str, arguments)))
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(root / TOOL), run_name='__main__')
        said = capsys.readouterr()
        return end.value.code, said.err if end.value.code else said.out

    return run


@pytest.mark.parametrize(
    ('demo', 'last'),
    [
        (ggn, 'GGN - baseline, AR@100, seen: +0.0, +0.0 (seeds: 0, 1; median +0.0)'),
        (ovis, 'IoU of pseudo masks, mean over words: 50.0 / 25.0'),
        (cmpl, 'student - teacher, AP50 of masks of base words: +0.0, +0.0 (median '
               '+0.0)'),
    ],
)  # fmt: skip
def test_each_demo_has_its_table(compare, demo, last):
    code, text = compare(dict(seed=1, **demo(0.25)), dict(seed=0, **demo(0.5)))
    assert code == 0
    assert '50.0 / 25.0' in text
    assert text.splitlines()[-1] == last


def test_runs_of_two_demos_are_refused(compare):
    code, text = compare(dict(seed=1, **ovis(0.5)), dict(seed=0, **cmpl(0.5)))
    assert code == 2
    assert 'the runs are of tools/demo_cmpl.py and tools/demo_ovis.py' in text


@pytest.mark.parametrize(
    'summary', [{}, [], {'seed': 1, 'pa': 2.0}, variants(['teacher'], 0.5)]
)
def test_other_files_are_refused(compare, summary):
    code, text = compare(dict(seed=0, **ovis(0.5)), summary)
    assert code == 2
    assert '1.json is no summary.json of tools/demo.py, tools/demo_ovis.py, ' in text


@pytest.mark.parametrize('demo', [ovis, cmpl])
def test_metrics_that_runs_lack_are_named(compare, demo):
    code, text = compare(dict(seed=3, **demo(0.5)), keys=['segm_AR@100'])
    first = next(name for name in demo(0) if name != 'words')
    assert code == 2
    assert (
        f"the run of seed 3, '{first}', has no 'segm_AR@100'; it has "
        f'{", ".join(TABLE_KEYS)}' in text
    )


@pytest.mark.parametrize(
    ('demo', 'name'), [(ovis, 'pseudo-only'), (ovis, 'words'), (cmpl, 'student')]
)
def test_variants_that_runs_lack_are_named(compare, demo, name):
    whole = dict(seed=3, **demo(0.5))
    part = {**whole, 'seed': 4}
    del part[name]
    code, text = compare(whole, part)
    assert code == 2
    others = [other for other in demo(0.5) if other != name]
    assert f"the run of seed 4 has no '{name}'; it has {', '.join(others)}" in text
