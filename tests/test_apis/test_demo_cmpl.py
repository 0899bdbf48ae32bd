"""The chain of the demo of cross-modal pseudo labels, without running it."""

from __future__ import annotations

import json

import pytest
from demo_case import flatten, settings_of

from mmdet_ovis.apis.demos.cmpl_stages import (
    VARIANTS,
    CmplDemoOptions,
    cmpl_demo_stages,
)
from mmdet_ovis.apis.demos.cmpl_tables import gain, seeds_table
from mmdet_ovis.apis.demos.commands import config_path
from mmdet_ovis.apis.demos.word_demo import summarize
from mmdet_ovis.apis.demos.word_tables import TABLE_KEYS
from mmdet_ovis.apis.running import load_config


def test_all_start_from_the_teacher():
    options = CmplDemoOptions()
    stages = flatten(cmpl_demo_stages(options))
    teacher = str(options.checkpoint('teacher'))
    for name in ('student', 'student-parity', 'offline'):
        assert settings_of(stages[name])['load_from'] == teacher
    assert teacher in stages['extract'].command
    assert settings_of(stages['teacher'])['load_from'] == str(
        options.checkpoint('pretrain')
    )


def test_configs_go_on_from_the_last_checkpoints():
    options = CmplDemoOptions()
    for name, start in (
        ('teacher', 'pretrain'),
        ('student', 'teacher'),
        ('student-parity', 'teacher'),
        ('offline', 'teacher'),
    ):
        cfg = load_config(config_path(f'cmpl_{name}'))
        assert cfg.load_from == str(options.checkpoint(start))


def test_stages_read_what_others_write(tmp_path):
    options = CmplDemoOptions(work_dir=tmp_path)
    stages = flatten(cmpl_demo_stages(options))
    words = 'train_dataloader.dataset.words_file'
    assert settings_of(stages['student'])[words] in stages['parse'].command
    assert settings_of(stages['student-parity'])[words] in (
        stages['parse-parity'].command
    )
    assert str(options.masks) in stages['extract'].command
    assert str(options.masks) in stages['prepare'].command
    assert settings_of(stages['offline'])[
        'train_dataloader.dataset.additional_ann_file'
    ] in (stages['prepare'].command)


def test_no_stage_is_beside_one_that_it_needs():
    done = set()
    needs = {
        'pretrain': {'data', 'text_embeddings'},
        'teacher': {'pretrain'},
        'student': {'teacher', 'parse'},
        'student-parity': {'teacher', 'parse-parity'},
        'extract': {'teacher', 'parse'},
        'prepare': {'extract'},
        'offline': {'prepare'},
        **{f'test_{name}': {name} for name in VARIANTS},
    }
    for link in cmpl_demo_stages(CmplDemoOptions()):
        group = link if isinstance(link, tuple) else (link,)
        for stage in group:
            assert needs.get(stage.name, set()) <= done, stage.name
        done |= {stage.name for stage in group}
    assert needs.keys() <= done


@pytest.fixture
def summary(tmp_path):
    """That of a run in which each variant is better than the one before."""
    for i, name in enumerate(VARIANTS):
        (tmp_path / name).mkdir()
        metrics = {f'coco/{key}': 0.1 * (i + 1) for key in TABLE_KEYS}
        (tmp_path / name / 'metrics.json').write_text(json.dumps(metrics))
    options = CmplDemoOptions(work_dir=tmp_path, seed=3)
    return summarize(options, VARIANTS, {'data': 1.0})


def test_summary(summary):
    assert list(summary) == ['seed', *VARIANTS, 'seconds']
    assert summary['seed'] == 3
    assert gain(summary, 'novel') == pytest.approx(0.1)


def test_table_of_several_seeds(summary):
    other = {**summary, 'seed': 1, 'student': {**summary['student']}}
    other['student']['segm_novel_AP50'] = 0.4
    lines = seeds_table([summary, other], ['segm_novel_AP50']).splitlines()
    assert lines[0].replace(' ', '') == '|learnsfrom|novel|'
    assert '40.0 / 20.0' in lines[3]
    assert lines[-2].endswith('masks of novel words: +30.0, +10.0 (median +20.0)')
    assert lines[-1].endswith('masks of base words: +10.0, +10.0 (median +10.0)')
    with pytest.raises(ValueError, match=r'different seeds, got the seeds \[3, 3\]'):
        seeds_table([summary, summary])
