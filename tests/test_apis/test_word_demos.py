"""What holds for the chains of all demos with words, without running them."""

from __future__ import annotations

from pathlib import Path

import pytest
from demo_case import flatten, has, settings_of

from mmdet_ovis.apis.demos.cmpl_stages import CmplDemoOptions, cmpl_demo_stages
from mmdet_ovis.apis.demos.ovis_stages import OvisDemoOptions, ovis_demo_stages
from mmdet_ovis.apis.running import load_config

DEMOS = {
    'ovis': (OvisDemoOptions, ovis_demo_stages),
    'cmpl': (CmplDemoOptions, cmpl_demo_stages),
}
MAY_BE_NEW = {'randomness.seed', 'load_from', 'model.backbone.init_cfg.checkpoint'}


@pytest.fixture(params=DEMOS)
def stages(request):
    """Makes the stages of a demo by name."""
    options, chain = DEMOS[request.param]
    return lambda **changes: flatten(chain(options(**changes)))


def test_every_stage_is_a_command_of_this_repository(stages):
    for stage in stages().values():
        assert Path(stage.command[1]).is_file()


def test_settings_change_what_configs_have(stages):
    """A key that a config lacks would be taken in silence, and do nothing."""
    for stage in stages().values():
        if '--cfg-options' not in stage.command:
            continue
        cfg = load_config(stage.command[2])
        for key in settings_of(stage):
            assert key in MAY_BE_NEW or has(cfg, key), (stage.name, key)


def test_all_places_follow_the_options(stages, tmp_path):
    for stage in stages(work_dir=tmp_path / 'w', data_root=tmp_path / 'd').values():
        text = ' '.join(stage.command[2:])
        assert 'work_dirs' not in text
        assert 'data/openshapes' not in text


def test_all_trainings_have_the_seed(stages):
    trained = [s for s in stages(seed=7).values() if s.command[1].endswith('train.py')]
    assert len(trained) > 3
    for stage in trained:
        assert settings_of(stage)['randomness.seed'] == '7'
