import json
from pathlib import Path

import pytest

from mmdet_ovis.apis.demos import ggn
from mmdet_ovis.apis.demos.ggn import (
    DemoOptions,
    demo_stages,
    run_demo,
    summarize,
)
from mmdet_ovis.apis.demos.ggn_methods import METHODS
from mmdet_ovis.apis.demos.ggn_tables import demo_table, seeds_table
from mmdet_ovis.apis.demos.stages import Stage


def _flat_stages(**options) -> list[Stage]:
    flat = []
    for link in demo_stages(DemoOptions(**options)):
        flat += link if isinstance(link, tuple) else [link]
    return flat


def _metrics(value, prefix=''):
    keys = ('segm_AR@10', 'segm_AR@100', 'segm_AP', 'segm_F1@100')
    return {
        f'{prefix}{split}{key}': value + shift
        for split, shift in (('', 0.0), ('seen_', 0.1), ('all_', 0.2))
        for key in keys
    }


@pytest.fixture
def finished(tmp_path):
    for name, value in (('baseline', 0.1), ('ggn', 0.3)):
        (tmp_path / name).mkdir()
        metrics = json.dumps(_metrics(value, prefix='coco/'))
        (tmp_path / name / 'metrics.json').write_text(metrics)
    (tmp_path / 'pseudo.json').write_text(json.dumps(_metrics(0.5)))
    return DemoOptions(work_dir=tmp_path, seed=7)


def test_every_stage_is_a_command_of_this_repository():
    stages = _flat_stages()
    assert [stage.name for stage in stages] == [
        'data', 'pa', 'extract', 'merge', 'pseudo',
        'baseline', 'ggn', 'test_baseline', 'test_ggn',
    ]  # fmt: skip
    for stage in stages:
        assert isinstance(stage, Stage)
        assert Path(stage.command[1]).is_file()


def test_data_and_schedule_may_be_others():
    stages = {s.name: s.command for s in _flat_stages(color_bias=0.5, epochs=3)}
    bias = stages['data'].index('--color-bias')
    assert stages['data'][bias + 1] == '0.5'
    train, test = stages['ggn'], stages['test_ggn']
    for key in ('train_cfg.max_epochs', 'param_scheduler.1.end'):
        assert f'{key}=3' in train
    assert 'work_dirs/demo/ggn/epoch_3.pth' in test
    # Affinity has a schedule of its own.
    assert not any('max_epochs' in part for part in stages['pa'])
    with pytest.raises(ValueError, match='epochs is 0 or more, not -1'):
        DemoOptions(epochs=-1)


def test_methods_come_in_pairs_with_the_masks_that_they_need():
    chain = demo_stages(DemoOptions(methods=tuple(METHODS)))
    names = [
        tuple(stage.name for stage in link) if isinstance(link, tuple) else link.name
        for link in chain
    ]
    assert names[5:] == [
        ('baseline', 'ggn'),
        ('test_baseline', 'test_ggn'),
        ('oln_box', 'oln_mask'),
        ('test_oln_box', 'test_oln_mask'),
        'extract_oln-ranker',
        'merge_oln-ranker',
        'pseudo_oln-ranker',
        ('ggn_oln', 'ggn_oln-ranker'),
        ('test_ggn_oln', 'test_ggn_oln-ranker'),
    ]
    by_name = {s.name: s for s in _flat_stages(methods=tuple(METHODS))}
    weights = 'pa_to_masks.oln_ranker.checkpoint=work_dirs/demo/oln_box/epoch_9.pth'
    assert weights in by_name['extract_oln-ranker'].command
    for name, file in (('ggn_oln', ''), ('ggn_oln-ranker', '_oln-ranker')):
        masks = Path(f'work_dirs/demo/pa_masks_train{file}.json').resolve()
        option = f'train_dataloader.dataset.additional_ann_file={masks}'
        assert option in by_name[name].command


def test_a_method_is_not_trained_beside_the_one_it_needs():
    chain = demo_stages(DemoOptions(methods=('oln_box', 'ggn_oln-ranker')))
    trained = [link[0].name for link in chain if isinstance(link, tuple)]
    assert trained == [
        'oln_box',
        'test_oln_box',
        'ggn_oln-ranker',
        'test_ggn_oln-ranker',
    ]


@pytest.mark.parametrize(
    ('methods', 'message'),
    [
        ((), 'at least one method'),
        (('ggm',), "method is one of baseline, ggn, .*, not 'ggm'"),
        (('ggn', 'ggn'), 'named twice'),
        (('ggn_oln-ranker', 'oln_box'), "'oln_box' before 'ggn_oln-ranker'"),
    ],
)
def test_methods_that_cannot_be_compared(methods, message):
    with pytest.raises(ValueError, match=message):
        DemoOptions(methods=methods)


def test_a_stage_depends_on_the_text_of_its_config():
    by_name = {stage.name: stage for stage in _flat_stages()}
    assert 'PairwiseAffinityPredictor' in by_name['pa'].inputs
    assert 'PseudoLabelCocoDataset' in by_name['ggn'].inputs


def test_baseline_and_ggn_are_trained_alike_but_for_the_pseudo_masks():
    by_name = {stage.name: stage for stage in _flat_stages()}
    baseline, ggn = by_name['baseline'].command, by_name['ggn'].command
    more = [argument for argument in ggn if 'additional_ann_file' in argument]
    assert len(more) == 1
    assert len(ggn) == len(baseline) + 1


def test_summary_holds_both_halves(finished):
    summary = summarize(finished, {'pa': 3.0})
    assert summary['seed'] == 7
    assert summary['baseline']['unseen']['segm_AR@100'] == pytest.approx(0.1)
    assert summary['ggn']['seen']['segm_AR@100'] == pytest.approx(0.4)
    assert summary['pseudo']['unseen']['segm_AP'] == pytest.approx(0.5)
    assert summary['seconds'] == {'pa': 3.0}


def test_a_run_sums_up_what_its_stages_left(finished, monkeypatch):
    def draw(data_root, work_dir, *, detectors, **options):
        assert detectors == {'baseline': 'baseline', 'ggn': 'GGN'}
        return work_dir / 'pictures'

    monkeypatch.setattr(ggn, 'run_stages', lambda chain, *_: {chain[0].name: 2.0})
    monkeypatch.setattr(ggn, 'draw_demo', draw)
    lines = []
    summary = run_demo(finished, lines.append)
    assert summary == summarize(finished, {'data': 2.0})
    written = json.loads((finished.work_dir / 'summary.json').read_text())
    assert written == summary
    assert 'GGN (test)' in lines[0]
    assert lines[-1] == f'pictures: {finished.work_dir / "pictures"}'


def test_table_prints_percentages(finished):
    table = demo_table(summarize(finished, {}))
    row = next(line for line in table.splitlines() if 'GGN (test)' in line)
    assert row.count('30.0') == 4
    assert 'AR@100' in table


def _run(seed, **figures):
    """AR@100 as given, every other figure 0."""
    rest = dict.fromkeys(('segm_AR@10', 'segm_AP', 'segm_F1@100'), 0.0)
    return {
        'seed': seed,
        **{
            name: {split: {'segm_AR@100': figures.get(name, 0.0), **rest}
                   for split in ('unseen', 'seen')}
            for name in ('baseline', 'ggn', 'pseudo')
        },
    }  # fmt: skip


def test_seeds_stand_in_order_with_the_median_of_the_gain():
    runs = [
        _run(2, baseline=0.3, ggn=0.36),
        _run(0, baseline=0.29, ggn=0.345),
        _run(1, baseline=0.31, ggn=0.3),
    ]
    lines = seeds_table(runs).splitlines()
    row = next(line for line in lines if 'GGN (test)' in line and 'unseen' in line)
    assert '34.5 / 30.0 / 36.0' in row
    assert lines[-2] == (
        'GGN - baseline, AR@100, unseen: +5.5, -1.0, +6.0 (seeds: 0, 1, 2; median +5.5)'
    )


def test_a_method_without_masks_has_boxes_only():
    run = _run(0, baseline=0.2, ggn=0.3)
    run['oln_box'] = {split: {'bbox_AR@100': 0.25} for split in ('unseen', 'seen')}
    text = seeds_table([run], keys=('segm_AR@100', 'bbox_AR@100'))
    head, _, *rows = text.splitlines()
    cells = {}
    for row in filter(lambda line: line.startswith('|'), rows):
        title, objects, masks, boxes = (cell.strip() for cell in row.split('|')[1:-1])
        cells[title, objects] = masks, boxes
    assert 'boxes, AR@100' in head
    assert cells['OLN-Box (test)', 'unseen'] == ('-', '25.0')
    assert cells['GGN (test)', 'unseen'] == ('30.0', '-')
    assert 'OLN-Box - baseline' not in text


def test_runs_of_other_methods_are_not_compared():
    other = _run(1)
    other['oln_mask'] = other['ggn']
    with pytest.raises(ValueError, match='the run of seed 1 compares'):
        seeds_table([_run(0), other])


@pytest.mark.parametrize('seeds', [[], [1, 1]])
def test_seeds_must_differ(seeds):
    with pytest.raises(ValueError, match='different seeds'):
        seeds_table([_run(seed) for seed in seeds])
