"""GGN from nothing to a table: the chain behind ``make demo``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mmengine.config import Config

from ..utils.io import atomic_write_json, read_json
from .demo_pictures import draw_demo
from .demo_tables import demo_table
from .running import load_config
from .stages import Stage, run_stages

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = 'configs/openshapes'
DETECTORS = {'baseline': 'class_agn_mask_rcnn', 'ggn': 'class_agn_mask_rcnn_pa'}
SEEN, UNSEEN = 'openshapes_seen', 'openshapes_unseen'


@dataclass(frozen=True)
class DemoOptions:
    """Sizes of the demo.

    Attributes:
        work_dir (Path): Checkpoints, masks, metrics, pictures.
        data_root (Path): OpenShapes; made if it is not there.
        seed (int): Of all trainings; the data are the same for every seed.
        num_train (int): Training images.
        num_val (int): Test images.
        size (int): Side of the images in pixels.
        num_pictures (int): Images that are drawn.
    """

    work_dir: Path = Path('work_dirs/demo')
    data_root: Path = Path('data/openshapes')
    seed: int = 0
    num_train: int = 800
    num_val: int = 200
    size: int = 256
    num_pictures: int = 6


def run_demo(options: DemoOptions, report: Callable[[str], None]) -> dict:
    """Run the chain, print its table, draw pictures and write ``summary.json``.

    Args:
        options (DemoOptions): Sizes and places.
        report (Callable[[str], None]): Receives the lines for the user.

    Returns:
        dict: ``baseline`` and ``ggn``, each with ``seen`` and ``unseen`` metrics,
        ``pseudo`` (recall of the pseudo masks) and ``seconds`` by stage.
    """
    start = time.monotonic()
    seconds = run_stages(demo_stages(options), options.work_dir, report)
    summary = summarize(options, seconds)
    atomic_write_json(options.work_dir / 'summary.json', summary, indent=2)
    pictures = draw_demo(
        options.data_root,
        options.work_dir,
        config=ROOT / CONFIGS / 'pa_extract.py',
        checkpoint=_last_checkpoint(options.work_dir / 'pa', 'pa_train'),
        num_pictures=options.num_pictures,
    )
    report(demo_table(summary))
    report(f'{(time.monotonic() - start) / 60:.1f} minutes')
    report(f'metrics: {options.work_dir / "summary.json"}')
    report(f'pictures: {pictures}')
    return summary


def demo_stages(options: DemoOptions) -> list[Stage | tuple[Stage, ...]]:
    """List the commands of the demo, each one a user could type.

    Baseline and GGN do not need each other, so they are trained and tested side by
    side, as the tuples say.
    """
    work, data = options.work_dir, options.data_root
    annotations = data / 'annotations'
    pa_checkpoint = _last_checkpoint(work / 'pa', 'pa_train')
    masks = work / 'masks' / 'masks.json'
    merged = work / 'pa_masks_train.json'
    stages = [
        _stage(
            'data',
            'make OpenShapes',
            'tools/dataset_converters/make_openshapes.py',
            *('--out', data, '--num-train', options.num_train),
            *('--num-val', options.num_val, '--size', options.size),
        ),
        _train(
            options,
            'pa',
            'train pairwise affinity on the seen shapes',
            'pa_train',
            _data_options(options, 'val'),
        ),
        _stage(
            'extract',
            'extract masks from affinity',
            'tools/extract_pa_masks.py',
            *(_config('pa_extract'), pa_checkpoint, '--out', masks),
            *('--workers', 2, '--cfg-options'),
            *_data_options(options, 'test'),
            config='pa_extract',
            output=masks.parent,
        ),
        _stage(
            'merge',
            'merge masks into an annotation file',
            'tools/merge_annotations.py',
            *('--ref', annotations / 'instances_train.json'),
            *('--inputs', masks, '--out', merged),
        ),
        _stage(
            'pseudo',
            'measure the pseudo masks',
            'tools/analysis_tools/eval_ar.py',
            *('--gt', annotations / 'instances_train.json', '--dt', merged),
            *('--eval-class', UNSEEN, '--seen-class', SEEN, '--iou-type', 'segm'),
            *('--out', work / 'pseudo.json'),
        ),
    ]
    detectors = [
        _detector_stages(options, name, pa_checkpoint, merged) for name in DETECTORS
    ]
    return [*stages, *zip(*detectors, strict=True)]


def _detector_stages(
    options: DemoOptions, name: str, pa_checkpoint: Path, merged: Path
) -> tuple[Stage, Stage]:
    config, folder = DETECTORS[name], options.work_dir / name
    settings = [
        f'model.backbone.init_cfg.checkpoint={pa_checkpoint}',
        # The next stage tests.
        *('val_dataloader=None', 'val_evaluator=None', 'val_cfg=None'),
    ]
    if name == 'ggn':
        settings.append(
            f'train_dataloader.dataset.additional_ann_file={merged.resolve()}'
        )
    test = _stage(
        f'test_{name}',
        f'test {name}',
        'tools/test.py',
        *(_config(config), _last_checkpoint(folder, config)),
        *('--eval', 'segm', '--work-dir', folder / 'test'),
        *('--out', folder / 'detections', '--metrics-out', folder / 'metrics.json'),
        '--cfg-options',
        *_data_options(options, 'test'),
        f'test_evaluator.ann_file={options.data_root}/annotations/instances_val.json',
        config=config,
    )
    return _train(options, name, f'train {name}', config, settings), test


def summarize(options: DemoOptions, seconds: dict[str, float]) -> dict:
    """Collect the metrics of all stages."""
    summary: dict = {'seed': options.seed}
    for name in DETECTORS:
        metrics = read_json(options.work_dir / name / 'metrics.json')
        metrics = {key.rpartition('/')[2]: value for key, value in metrics.items()}
        summary[name] = _split_metrics(metrics)
    summary['pseudo'] = _split_metrics(read_json(options.work_dir / 'pseudo.json'))
    summary['seconds'] = seconds
    return summary


def _split_metrics(metrics: dict[str, float]) -> dict[str, dict[str, float]]:
    seen = {
        key.removeprefix('seen_'): value
        for key, value in metrics.items()
        if key.startswith('seen_')
    }
    unseen = {
        key: value
        for key, value in metrics.items()
        if not key.startswith(('seen_', 'all_'))
    }
    return {'seen': seen, 'unseen': unseen}


def _config(name: str) -> Path:
    return ROOT / CONFIGS / f'{name}.py'


@cache
def _read_config(name: str) -> Config:
    return load_config(_config(name))


def _stage(
    name: str,
    title: str,
    script: str,
    *arguments: object,
    config: str | None = None,
    output: Path | None = None,
) -> Stage:
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    inputs = _read_config(config).pretty_text if config else ''
    return Stage(name, title, command, output, inputs)


def _train(
    options: DemoOptions, name: str, title: str, config: str, settings: Sequence[str]
) -> Stage:
    folder = options.work_dir / name
    return _stage(
        name,
        title,
        'tools/train.py',
        *(_config(config), '--work-dir', folder, '--resume', '--cfg-options'),
        f'randomness.seed={options.seed}',
        *_data_options(options, 'train'),
        *settings,
        config=config,
        output=folder,
    )


def _data_options(options: DemoOptions, *loaders: str) -> list[str]:
    root = os.fspath(options.data_root)
    return [f'{loader}_dataloader.dataset.data_root={root}' for loader in loaders]


def _last_checkpoint(folder: Path, config: str) -> Path:
    return folder / f'epoch_{_read_config(config).train_cfg.max_epochs}.pth'
