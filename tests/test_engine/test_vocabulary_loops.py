"""Evaluation in several settings."""

from __future__ import annotations

import pytest
from mmdet.registry import LOOPS
from mmengine.hooks import Hook
from vocabulary_case import loader, make_runner

from mmdet_ovis.engine.runner.vocabulary_loops import OVTestLoop, OVValLoop

SETTINGS = dict(
    constrained_base=dict(
        dataloader=dict(dataset=dict(classes=['a', 'b', 'c'], number=6)),
        evaluator=dict(what='base'),
    ),
    constrained_novel=dict(
        dataloader=dict(dataset=dict(classes=['d'])), evaluator=dict(what='novel')
    ),
)
EXPECTED = dict(
    n_images=2, n_logits=3, n_classes=2,
    base_images=6, base_logits=4, base_classes=3,
    novel_images=2, novel_logits=2, novel_classes=1,
)  # fmt: skip


class Watcher(Hook):
    """Keeps what hooks are told."""

    def __init__(self) -> None:
        self.events, self.metas, self.lengths = [], [], set()

    def before_test(self, runner):
        self.events.append('before')

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.metas.append(runner.visualizer.dataset_meta['classes'])
        self.lengths.add(len(runner.test_dataloader))

    def after_test_epoch(self, runner, metrics=None):
        self.events.append(metrics)

    def after_test(self, runner):
        self.events.append('after')


def test_each_setting_has_its_words_images_and_metric(tmp_path):
    watcher = Watcher()
    runner = make_runner(
        tmp_path,
        'settings',
        hooks=[watcher, dict(type='VocabularyHook')],
        test_cfg=dict(type='OVTestLoop', settings=SETTINGS),
    )
    assert runner.test() == EXPECTED
    assert watcher.events == ['before', EXPECTED, 'after']  # once for all settings
    words = [('e', 'f')] + 3 * [('a', 'b', 'c')] + [('d',)]
    assert watcher.metas == words
    assert watcher.lengths == {1, 3}  # progress is counted by setting
    assert runner.visualizer.dataset_meta['classes'] == ('e', 'f')
    assert runner.model.head.vocabulary == ()
    assert runner.test() == EXPECTED


def test_the_hook_is_not_needed_for_testing(tmp_path):
    cfg = dict(type='OVTestLoop', settings=SETTINGS)
    runner = make_runner(tmp_path, 'no_hook', hooks=[], test_cfg=cfg)
    assert runner.test() == EXPECTED


def test_without_settings_it_is_the_plain_loop(tmp_path):
    plain = make_runner(tmp_path, 'plain').test()
    assert make_runner(tmp_path, 'ov', test_cfg=dict(type='OVTestLoop')).test() == plain


def test_validation_in_settings_leaves_training_as_it_was(tmp_path):
    runner = make_runner(
        tmp_path, 'val', val_cfg=dict(type='OVValLoop', settings=SETTINGS)
    )
    runner.train()
    of_training = [names for mode, names in runner.model.seen if mode == 'loss']
    assert of_training == 2 * [tuple('abc')]
    lengths = {len(names) for mode, names in runner.model.seen if mode == 'predict'}
    assert lengths == {4, 3, 1}
    assert runner.model.head.vocabulary == tuple('abc')


def test_settings_differ_in_what_they_say_only(tmp_path):
    runner = make_runner(
        tmp_path,
        'files',
        test_dataloader=loader('ef', 2, drop_last=True),
        test_evaluator=dict(type='WordyMetric', outfile_prefix='out/results'),
        test_cfg=dict(type='OVTestLoop', settings=SETTINGS),
    )
    settings = runner.test_loop.settings if runner.test() else ()
    assert [setting.name for setting in settings] == ['generalized', *SETTINGS]
    assert all(setting.dataloader.drop_last for setting in settings)
    prefixes = [setting.evaluator.metrics[0].outfile_prefix for setting in settings]
    assert prefixes == [
        'out/results',
        'out/results.constrained_base',
        'out/results.constrained_novel',
    ]


@pytest.mark.parametrize(
    ('changes', 'settings', 'message'),
    [
        ({}, dict(a={}), "setting 'a' gives n_classes, as one before it does"),
        ({}, dict(a=dict(metric={})), "setting 'a' has dataloader and evaluator, not"),
        (
            dict(test_evaluator=[dict(type='WordyMetric')]),
            dict(a={}),
            r'the main evaluator, which has to be a dict \(of one metric\), not a list',
        ),
        (
            {},
            dict(a=dict(dataloader=dict(dataset=dict(classes=['zebra'])))),
            'zebra',
        ),
        (
            {},
            dict(a=dict(dataloader=dict(dataset=dict(classes=[])))),
            "the dataset of 'a' names no classes",
        ),
    ],
)
def test_settings_that_do_not_work_are_named(tmp_path, changes, settings, message):
    cfg = dict(type='OVTestLoop', settings=settings)
    runner = make_runner(tmp_path, message[:20], hooks=[], test_cfg=cfg, **changes)
    with pytest.raises(ValueError, match=message):
        runner.test()
    assert runner.model.head.vocabulary == ()


def test_registered():
    assert LOOPS.get('OVTestLoop') is OVTestLoop
    assert LOOPS.get('OVValLoop') is OVValLoop
