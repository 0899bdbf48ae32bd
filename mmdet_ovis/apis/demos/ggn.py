"""GGN from nothing to a table: the chain behind ``make demo``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...utils.io import atomic_write_json, read_json
from .commands import (
    NO_VALIDATION,
    SEEN,
    UNSEEN,
    config_path,
    data_options,
    last_checkpoint,
    make_stage,
    openshapes_stage,
    read_metrics,
    train_stage,
)
from .ggn_methods import AFFINITY_MASKS, DEMO_METHODS, METHODS, check_methods
from .ggn_pictures import draw_demo
from .ggn_tables import demo_table
from .stages import Stage, run_stages


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
        color_bias (float): Share of the objects that have the typical colour of their
            shape, which a seen and an unseen shape have in common.
        epochs (int): Of the detectors; 0: those of their configs.
        methods (tuple[str, ...]): What is compared, see :mod:`.ggn_methods`.

    Raises:
        ValueError: If a method is unknown, or needs one that does not stand before it,
            or the number of epochs is negative.
    """

    work_dir: Path = Path('work_dirs/demo')
    data_root: Path = Path('data/openshapes')
    seed: int = 0
    num_train: int = 800
    num_val: int = 200
    size: int = 256
    num_pictures: int = 6
    color_bias: float = 0.0
    epochs: int = 0
    methods: tuple[str, ...] = DEMO_METHODS

    def __post_init__(self) -> None:
        check_methods(self.methods)
        if self.epochs < 0:
            raise ValueError(f'epochs is 0 or more, not {self.epochs}')


def run_demo(options: DemoOptions, report: Callable[[str], None]) -> dict:
    """Run the chain, print its table, draw pictures and write ``summary.json``.

    Args:
        options (DemoOptions): Sizes and places.
        report (Callable[[str], None]): Receives the lines for the user.

    Returns:
        dict: Each method by name, with ``seen`` and ``unseen`` metrics; likewise
        ``pseudo`` (recall of the pseudo masks, and ``pseudo_<config>`` of others than
        the demo's); and ``seconds`` by stage.
    """
    start = time.monotonic()
    seconds = run_stages(demo_stages(options), options.work_dir, report)
    summary = summarize(options, seconds)
    atomic_write_json(options.work_dir / 'summary.json', summary, indent=2)
    pictures = draw_demo(
        options.data_root,
        options.work_dir,
        config=config_path('pa_extract'),
        checkpoint=last_checkpoint(options.work_dir / 'pa', 'pa_train'),
        detectors={
            name: METHODS[name].title
            for name in options.methods
            if 'segm' in METHODS[name].metrics
        },
        num_pictures=options.num_pictures,
    )
    report(demo_table(summary))
    report(f'{(time.monotonic() - start) / 60:.1f} minutes')
    report(f'metrics: {options.work_dir / "summary.json"}')
    report(f'pictures: {pictures}')
    return summary


def demo_stages(options: DemoOptions) -> list[Stage | tuple[Stage, ...]]:
    """List the commands of the demo, each one a user could type.

    Two methods that do not need each other are trained and tested side by side, as the
    tuples say.
    """
    stages: list[Stage | tuple[Stage, ...]] = [
        openshapes_stage(
            options.data_root,
            options.num_train,
            options.num_val,
            options.size,
            options.color_bias,
        ),
        _train(
            options,
            'pa',
            'train pairwise affinity on the seen shapes',
            'pa_train',
            data_options(options.data_root, 'val'),
        ),
    ]
    # The demo's own masks in any case: its pictures and its table show them.
    extracted = {AFFINITY_MASKS}
    stages += _mask_stages(options, AFFINITY_MASKS)
    for pair in _pairs(options.methods):
        for name in pair:
            masks = METHODS[name].masks
            if masks and masks not in extracted:
                extracted.add(masks)
                stages += _mask_stages(options, masks, METHODS[name].ranker)
        stages += zip(*(_detector_stages(options, name) for name in pair), strict=True)
    return stages


def _pairs(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Cut a list of methods into pairs, but where the second needs the first."""
    pairs: list[tuple[str, ...]] = []
    for name in names:
        last = pairs[-1] if pairs else ()
        if len(last) == 1 and METHODS[name].ranker not in last:
            pairs[-1] = (*last, name)
        else:
            pairs.append((name,))
    return pairs


def _mask_stages(
    options: DemoOptions, config: str, ranker: str | None = None
) -> list[Stage]:
    """Extract masks, merge them, and measure them."""
    suffix = _suffix(config)
    masks = options.work_dir / f'masks{suffix}' / 'masks.json'
    merged = _merged_masks(options, config)
    truth = options.data_root / 'annotations' / 'instances_train.json'
    settings = data_options(options.data_root, 'test')
    if ranker:
        weights = _detector_checkpoint(options, ranker)
        settings.append(f'pa_to_masks.oln_ranker.checkpoint={weights}')
    return [
        make_stage(
            f'extract{suffix}',
            'extract masks from affinity' + (f', ranked by {ranker}' if ranker else ''),
            'tools/extract_pa_masks.py',
            *(
                config_path(config),
                last_checkpoint(options.work_dir / 'pa', 'pa_train'),
            ),
            *('--out', masks, '--workers', 2, '--cfg-options', *settings),
            config=config,
            output=masks.parent,
        ),
        make_stage(
            f'merge{suffix}',
            'merge masks into an annotation file',
            'tools/merge_annotations.py',
            *('--ref', truth, '--inputs', masks, '--out', merged),
        ),
        make_stage(
            f'pseudo{suffix}',
            'measure the pseudo masks',
            'tools/analysis_tools/eval_ar.py',
            *('--gt', truth, '--dt', merged),
            *('--eval-class', UNSEEN, '--seen-class', SEEN, '--iou-type', 'segm'),
            *('--out', options.work_dir / f'pseudo{suffix}.json'),
        ),
    ]


def _detector_stages(options: DemoOptions, name: str) -> tuple[Stage, Stage]:
    method, folder = METHODS[name], options.work_dir / name
    weights = last_checkpoint(options.work_dir / 'pa', 'pa_train')
    settings = [
        f'model.backbone.init_cfg.checkpoint={weights}',
        *NO_VALIDATION,
    ]
    if options.epochs:
        ends = (
            'train_cfg.max_epochs',
            'param_scheduler.1.end',
            'param_scheduler.1.T_max',
        )
        settings += [f'{key}={options.epochs}' for key in ends]
    if method.masks:
        merged = _merged_masks(options, method.masks).resolve()
        settings.append(f'train_dataloader.dataset.additional_ann_file={merged}')
    test = make_stage(
        f'test_{name}',
        f'test {method.title}',
        'tools/test.py',
        *(config_path(method.config), _detector_checkpoint(options, name)),
        *('--eval', *method.metrics, '--work-dir', folder / 'test'),
        *('--out', folder / 'detections', '--metrics-out', folder / 'metrics.json'),
        '--cfg-options',
        *data_options(options.data_root, 'test'),
        f'test_evaluator.ann_file={options.data_root}/annotations/instances_val.json',
        config=method.config,
    )
    train = _train(options, name, f'train {method.title}', method.config, settings)
    return train, test


def _detector_checkpoint(options: DemoOptions, name: str) -> Path:
    return last_checkpoint(
        options.work_dir / name, METHODS[name].config, options.epochs
    )


def _suffix(masks: str) -> str:
    return masks.removeprefix(AFFINITY_MASKS)


def _merged_masks(options: DemoOptions, masks: str) -> Path:
    return options.work_dir / f'pa_masks_train{_suffix(masks)}.json'


def summarize(options: DemoOptions, seconds: dict[str, float]) -> dict:
    """Collect the metrics of all stages."""
    summary: dict = {'seed': options.seed}
    for name in options.methods:
        metrics = read_metrics(options.work_dir / name / 'metrics.json')
        summary[name] = _split_metrics(metrics)
    used = {METHODS[name].masks for name in options.methods} - {None}
    for name in sorted(f'pseudo{_suffix(masks)}' for masks in {AFFINITY_MASKS, *used}):
        summary[name] = _split_metrics(read_json(options.work_dir / f'{name}.json'))
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


def _train(
    options: DemoOptions, name: str, title: str, config: str, settings: Sequence[str]
) -> Stage:
    return train_stage(
        name,
        title,
        config,
        options.work_dir / name,
        options.seed,
        *data_options(options.data_root, 'train'),
        *settings,
    )
