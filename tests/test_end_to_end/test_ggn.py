"""GGN from data to recall on unseen classes, at toy size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs' / 'openshapes'
TINY_LOADER = ['num_workers=0', 'persistent_workers=False']


def _run(*command: object, **variables: str) -> str:
    result = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1', **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-1500:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def _python(*command: object) -> str:
    return _run(sys.executable, *command)


def _options(openshapes, *loaders: str) -> list[str]:
    options = []
    for loader in loaders:
        options.append(f'{loader}_dataloader.dataset.data_root={openshapes}')
        options += [f'{loader}_dataloader.{option}' for option in TINY_LOADER]
    return options


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    return tmp_path_factory.mktemp('ggn')


@pytest.fixture(scope='module')
def pa_checkpoint(work, openshapes):
    """An affinity network after one short epoch."""
    _python(
        'tools/train.py', CONFIGS / 'pa_train.py', '--work-dir', work / 'pa',
        '--cfg-options', *_options(openshapes, 'train', 'val'),
        'train_dataloader.batch_size=4', 'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
    )  # fmt: skip
    return work / 'pa' / 'epoch_1.pth'


@pytest.fixture(scope='module')
def pseudo_file(work, openshapes, pa_checkpoint):
    """Masks of the documented ablation, merged into an annotation file."""
    masks, merged = work / 'masks.json', work / 'merged.json'
    output = _python(
        'tools/extract_pa_masks.py', CONFIGS / 'pa_extract_no-globalization.py',
        pa_checkpoint, '--out', masks, '--workers', 1,
        '--cfg-options', *_options(openshapes, 'test'),
    )  # fmt: skip
    assert 'images/s' in output
    _python(
        'tools/merge_annotations.py',
        '--ref', openshapes / 'annotations' / 'instances_train.json',
        '--inputs', masks, '--out', merged,
    )  # fmt: skip
    return merged


def test_affinity_network_is_validated(work, pa_checkpoint):
    """The metric of the validation reaches the log."""
    (log,) = (work / 'pa').glob('*/vis_data/scalars.json')
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert any('pa/boundary_ODS_2px' in record for record in records)


def test_extraction_gives_masks(pseudo_file, openshapes):
    merged = json.loads(pseudo_file.read_text())
    reference = json.loads(
        (openshapes / 'annotations' / 'instances_train.json').read_text()
    )
    assert merged['images'] == reference['images']
    assert len(merged['annotations']) > len(reference['images'])


def test_recall_of_the_masks_is_measured(work, pseudo_file, openshapes):
    _python(
        'tools/analysis_tools/eval_ar.py',
        '--gt', openshapes / 'annotations' / 'instances_train.json',
        '--dt', pseudo_file, '--eval-class', 'openshapes_unseen',
        '--iou-type', 'segm', '--out', work / 'pseudo.json',
    )  # fmt: skip
    metrics = json.loads((work / 'pseudo.json').read_text())
    # One short epoch promises no recall, only a measurement of it.
    assert 0 <= metrics['segm_AR@100'] <= metrics['segm_AR50@100'] <= 1


def test_one_photograph(work, openshapes, pa_checkpoint):
    image = openshapes / 'val' / '000001.jpg'
    _python('tools/image_demo.py', image, '--pa', pa_checkpoint, '--out-dir', work)
    masks = json.loads((work / '000001.json').read_text())
    assert all(mask['segmentation']['size'] == [96, 96] for mask in masks)
    assert (work / '000001.png').stat().st_size > 1000


def test_two_processes_train_and_one_tests(
    work, openshapes, pa_checkpoint, pseudo_file
):
    """The documented commands, on CPUs through gloo."""
    config = CONFIGS / 'class_agn_mask_rcnn_pa.py'
    annotations = openshapes / 'annotations' / 'instances_val.json'
    log = _run(
        'bash', 'tools/dist_train.sh', config, 2, '--work-dir', work / 'ggn',
        '--cfg-options', *_options(openshapes, 'train'),
        'train_dataloader.batch_size=2', 'train_cfg.max_epochs=1',
        f'train_dataloader.dataset.additional_ann_file={pseudo_file}',
        f'model.backbone.init_cfg.checkpoint={pa_checkpoint}',
        'val_dataloader=None', 'val_evaluator=None', 'val_cfg=None',
        'default_hooks.logger.interval=1',
        PYTHON=sys.executable, PORT=str(20000 + os.getpid() % 20000),
    )  # fmt: skip
    assert 'Distributed training: True' in log
    assert 'GPU number: 2' in log
    output = _python(
        'tools/test.py', config, work / 'ggn' / 'epoch_1.pth', '--eval', 'segm',
        '--work-dir', work / 'test', '--out', work / 'detections',
        '--metrics-out', work / 'metrics.json',
        '--cfg-options', *_options(openshapes, 'test'),
        f'test_evaluator.ann_file={annotations}',
    )  # fmt: skip
    metrics = json.loads((work / 'metrics.json').read_text())
    for key in ('segm_AR@100', 'seen_segm_AR@100', 'all_segm_AR@100', 'segm_F1@100'):
        assert 0 <= metrics[f'coco/{key}'] <= 1
    assert 'AR@100' in output
    assert (work / 'detections.segm.json').is_file()


def test_a_checkpoint_of_another_network_is_named(work, openshapes, pa_checkpoint):
    result = subprocess.run(
        [
            sys.executable, 'tools/test.py', str(CONFIGS / 'class_agn_mask_rcnn.py'),
            str(pa_checkpoint), '--work-dir', str(work / 'wrong'), '--cfg-options',
            *_options(openshapes, 'test'),
            f'test_evaluator.ann_file={openshapes}/annotations/instances_val.json',
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert 'is a checkpoint of another model than the config builds' in result.stderr
    assert 'Traceback' not in result.stderr
