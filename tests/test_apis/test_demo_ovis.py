"""The chain of the open-vocabulary demo, without running it."""

from __future__ import annotations

import json

import pytest
from demo_case import flatten, settings_of

from mmdet_ovis.apis.demos.commands import config_path, last_checkpoint
from mmdet_ovis.apis.demos.ovis_stages import (
    VARIANTS,
    OvisDemoOptions,
    ovis_demo_stages,
)
from mmdet_ovis.apis.demos.ovis_tables import novel_gain, seeds_table
from mmdet_ovis.apis.demos.stages import Stage
from mmdet_ovis.apis.demos.word_demo import summarize
from mmdet_ovis.apis.demos.word_tables import variants_table
from mmdet_ovis.apis.running import load_config
from mmdet_ovis.apis.word_quality import MEAN


def flat_stages(**options) -> dict[str, Stage]:
    return flatten(ovis_demo_stages(OvisDemoOptions(**options)))


def test_every_stage_is_a_command_of_this_repository():
    stages = flat_stages()
    assert list(stages) == [
        *('data', 'word_pieces', 'text_embeddings', 'image_text', 'pa', 'generate'),
        *('prepare', 'words', 'base-only', 'pseudo-only', 'test_base-only'),
        *('test_pseudo-only', 'pseudo-then-base', 'base-plus-novel-pseudo'),
        *('test_pseudo-then-base', 'test_base-plus-novel-pseudo'),
    ]


def test_what_depends_on_what_is_not_side_by_side():
    for link in ovis_demo_stages(OvisDemoOptions()):
        names = {stage.name for stage in link} if isinstance(link, tuple) else set()
        assert not {'pseudo-only', 'pseudo-then-base'} <= names


def test_stages_read_what_others_write(tmp_path):
    options = OvisDemoOptions(work_dir=tmp_path)
    stages = flat_stages(work_dir=tmp_path)
    settings = settings_of(stages['generate'])
    assert settings['vlm.checkpoint'] == str(
        last_checkpoint(tmp_path / 'image_text', 'image_text')
    )
    assert settings['vlm.vocab'] in stages['word_pieces'].command
    assert str(options.bank) in stages['text_embeddings'].command
    assert settings_of(stages['pseudo-then-base'])['load_from'] == str(
        last_checkpoint(tmp_path / 'pseudo-only', 'ov_pseudo-only')
    )


def test_configs_go_on_from_the_last_checkpoints():
    work = OvisDemoOptions().work_dir
    assert load_config(config_path('ov_pseudo-then-base')).load_from == str(
        last_checkpoint(work / 'pseudo-only', 'ov_pseudo-only')
    )
    assert load_config(config_path('ovis_generate')).vlm.checkpoint == str(
        last_checkpoint(work / 'image_text', 'image_text')
    )


def make_summary(work_dir) -> OvisDemoOptions:
    row = dict(pointing_accuracy=0.5, num_searches=2, mask_iou=0.25, num_masks=1)
    (work_dir / 'words.json').write_text(json.dumps({'disc': row, MEAN: row}))
    for i, name in enumerate(VARIANTS):
        (work_dir / name).mkdir()
        metrics = {
            f'coco/{shape}_{group}_AP50': 0.1 * (i + 1)
            for shape in ('bbox', 'segm')
            for group in (
                *('base', 'novel', 'all', 'constrained_base', 'constrained_novel'),
            )
        }
        (work_dir / name / 'metrics.json').write_text(json.dumps(metrics))
    return OvisDemoOptions(work_dir=work_dir, seed=3)


def test_summary_and_tables(tmp_path):
    options = make_summary(tmp_path)
    summary = summarize(options, VARIANTS, {'data': 1.0}, options.words_file)
    assert list(summary) == ['seed', 'words', *VARIANTS, 'seconds']
    assert summary['seed'] == 3
    assert summary['seconds'] == {'data': 1.0}
    assert novel_gain(summary) == pytest.approx(0.3)
    table = variants_table(summary, VARIANTS)
    for i, title in enumerate(VARIANTS.values()):
        assert title in table
        assert f'{10 * (i + 1):.1f}' in table


def test_table_of_several_seeds(tmp_path):
    options = make_summary(tmp_path)
    summary = summarize(options, VARIANTS, {}, options.words_file)
    other = {**summary, 'seed': 1, 'base-only': {**summary['base-only']}}
    other['base-only']['segm_novel_AP50'] = 0.2
    lines = seeds_table([summary, other], ['segm_novel_AP50']).splitlines()
    assert lines[0].replace(' ', '') == '|learnsfrom|novel|'
    assert '20.0 / 10.0' in lines[2]
    assert '40.0 / 40.0' in lines[5]
    assert 'words: +20.0, +30.0 (median +25.0)' in lines[7]
    assert lines[8] == 'pointing game, mean over words: 50.0 / 50.0'
    with pytest.raises(ValueError, match=r'different seeds, got the seeds \[3, 3\]'):
        seeds_table([summary, summary])


def test_variants_have_configs():
    for name in VARIANTS:
        assert config_path(f'ov_{name}').is_file()
