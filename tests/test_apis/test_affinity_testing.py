"""`tools/test_pa.py`: which classes count, and what is measured."""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import socket
import sys

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdet_ovis.apis.affinity_testing import set_affinity_test
from mmdet_ovis.apis.running import load_config
from mmdet_ovis.structures.class_splits import resolve_split
from mmdet_ovis.utils.io import read_json


@pytest.fixture
def load(root):
    return lambda name: load_config(root / 'configs' / f'{name}.py')


@pytest.mark.parametrize(
    ('name', 'partition'),
    [
        ('pairwise_affinity/pa_train', 'not:voc'),
        ('pairwise_affinity/pa_extract', 'not:voc'),
        ('openshapes/pa_train', 'not:openshapes_seen'),
    ],
)
def test_the_unseen_classes_of_the_validation_set_are_the_default(
    load, name, partition
):
    cfg = load(name)
    assert set_affinity_test(cfg) == partition
    dataset = cfg.test_dataloader.dataset
    assert dataset.ann_file == cfg.val_dataloader.dataset.ann_file
    assert dataset.train_class == partition
    assert not dataset.keep_unseen
    assert not dataset.test_mode
    assert dataset.filter_cfg.filter_empty_gt
    assert [step.type for step in dataset.pipeline].count('LoadInstanceFlags') == 0
    assert cfg.model.get('test_cfg') is None


@pytest.mark.parametrize(
    ('seen', 'partition'),
    [
        ('nonvoc', 'voc'),
        ('not:person', 'person'),
        ('all', 'all'),
        (['cat', 'dog'], 'all'),
    ],
)
def test_the_unseen_classes_of_any_training(load, seen, partition):
    cfg = load('pairwise_affinity/pa_train')
    cfg.test_dataloader.dataset.train_class = seen
    assert set_affinity_test(cfg) == partition


def test_all_classes_in_one_pass(load):
    cfg = load('pairwise_affinity/pa_train')
    assert set_affinity_test(cfg, 'all') == 'all'
    dataset = cfg.test_dataloader.dataset
    assert dataset.keep_unseen
    assert dataset.test_mode
    assert dataset.train_class == 'voc'
    assert 'LoadInstanceFlags' in [step.type for step in dataset.pipeline]


def test_proposals_are_those_of_the_config(load):
    cfg = load('openshapes/pa_extract')
    set_affinity_test(cfg, eval_proposals=True, legacy_strict=True)
    assert cfg.model.test_cfg.pa_to_masks == cfg.pa_to_masks
    assert cfg.model.test_cfg.max_per_img == 20
    assert cfg.test_evaluator.legacy_strict is True


def test_configs_that_cannot_be_tested_are_refused(load):
    with pytest.raises(ValueError, match='tests with OpenWorldCocoMetric'):
        set_affinity_test(load('mask_rcnn/class_agn_mask_rcnn'))
    with pytest.raises(ValueError, match=r'needs pa_to_masks.*such as pa_extract\.py'):
        set_affinity_test(load('pairwise_affinity/pa_train'), eval_proposals=True)
    cfg = load('pairwise_affinity/pa_extract')
    cfg.pa_to_masks.oln_ranker = dict(config='a.py')
    with pytest.raises(ValueError, match=r'pass .*pa_to_masks\.oln_ranker=None'):
        set_affinity_test(cfg, eval_proposals=True)
    cfg = load('pairwise_affinity/pa_extract')
    cfg.val_dataloader = cfg.test_dataloader
    with pytest.raises(ValueError, match='neither test_dataloader nor val_dataloader'):
        set_affinity_test(cfg)


@pytest.fixture(scope='module')
def checkpoint(root, tmp_path_factory):
    """A network that has learnt nothing, of the OpenShapes config."""
    torch.manual_seed(0)
    cfg = Config.fromfile(root / 'configs' / 'openshapes' / 'pa_train.py')
    init_default_scope('mmdet')
    path = tmp_path_factory.mktemp('pa') / 'pa.pth'
    torch.save({'state_dict': MODELS.build(cfg.model).state_dict()}, path)
    return path


@pytest.fixture
def test_pa(root, openshapes, checkpoint, tmp_path, monkeypatch):
    """Run the tool in this process; returns what it writes."""

    def run(config, *options):
        out = tmp_path / 'metrics.json'
        loader = ('num_workers=0', 'persistent_workers=False')
        command = [
            *('test_pa.py', root / 'configs' / 'openshapes' / config, checkpoint),
            *('--out', out, '--work-dir', tmp_path / 'work', *options),
            *('--cfg-options', f'val_dataloader.dataset.data_root={openshapes}'),
            f'test_dataloader.dataset.data_root={openshapes}',
            *(f'val_dataloader.{option}' for option in loader),
            *(f'test_dataloader.{option}' for option in loader),
        ]
        monkeypatch.setattr(sys, 'argv', [str(part) for part in command])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(root / 'tools' / 'test_pa.py'), run_name='__main__')
        assert stop.value.code == 0
        return read_json(out)

    return run


def annotated(openshapes):
    """Number of objects and of the images that have some, by seen and unseen class."""
    truth = json.loads((openshapes / 'annotations/instances_val.json').read_text())
    names = {x['id']: x['name'] for x in truth['categories']}
    seen = set(resolve_split('openshapes_seen', tuple(names.values())))
    kinds = {True: [], False: []}
    for annotation in truth['annotations']:
        if not annotation['iscrowd']:
            kind = names[annotation['category_id']] in seen
            kinds[kind].append(annotation['image_id'])
    return {kind: (len(ids), len(set(ids))) for kind, ids in kinds.items()}


def test_a_partition_counts_its_own_objects(test_pa, openshapes):
    metrics = test_pa('pa_extract.py', '--eval-proposals')
    objects, images = annotated(openshapes)[False]
    assert metrics['pa/num_objects'] == pytest.approx(objects / images)
    assert 0 <= metrics['pa/proposal_AR@10'] <= metrics['pa/tree_recall'] <= 1
    assert metrics['pa/inner_pa_share'] > 0.1
    assert not any('seen' in key for key in metrics)


def test_seen_and_unseen_objects_are_told_apart(test_pa, openshapes):
    metrics = test_pa('pa_extract.py', '--eval-proposals', '--test-partition', 'all')
    counts = annotated(openshapes)
    total = sum(objects for objects, _ in counts.values())
    assert metrics['pa/num_objects'] == pytest.approx(total / 4)
    for name in ('proposal_AR@100', 'tree_recall'):
        parts = [
            objects * metrics[f'pa/{prefix}_{name}']
            for prefix, (objects, _) in zip(
                ('seen', 'unseen'), counts.values(), strict=True
            )
        ]
        assert metrics[f'pa/{name}'] == pytest.approx(sum(parts) / total)


def test_affinity_alone(test_pa):
    metrics = test_pa('pa_train.py', '--test-partition', 'openshapes_seen')
    assert metrics['pa/affinity_BCE'] > 0
    assert not any('proposal' in key for key in metrics)


def test_two_processes_measure_what_one_does(test_pa, tmp_path):
    def of_affinity(metrics):
        return {key: value for key, value in metrics.items() if 'seconds' not in key}

    alone = of_affinity(test_pa('pa_extract.py', '--eval-proposals'))
    (tmp_path / 'metrics.json').unlink()
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])

    def work(rank):
        os.environ.update(
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            WORLD_SIZE='2',
            MASTER_ADDR='127.0.0.1',
            MASTER_PORT=port,
        )
        test_pa('pa_extract.py', '--eval-proposals', '--launcher', 'pytorch')

    fork = multiprocessing.get_context('fork')
    processes = [fork.Process(target=work, args=(rank,)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert of_affinity(read_json(tmp_path / 'metrics.json')) == pytest.approx(alone)
