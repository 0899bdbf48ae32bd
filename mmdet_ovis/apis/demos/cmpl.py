"""Cross-modal pseudo labels, from nothing to a table: behind ``make demo-cmpl``."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...utils.io import atomic_write_json
from .cmpl_stages import VARIANTS, CmplDemoOptions, cmpl_demo_stages
from .stages import run_stages
from .word_pictures import draw_word_demo
from .word_tables import variants_table
from .words import read_metrics


def run_cmpl_demo(options: CmplDemoOptions, report: Callable[[str], None]) -> dict:
    """Run the chain, print its table, draw pictures and write ``summary.json``.

    Args:
        options (CmplDemoOptions): Sizes and places.
        report (Callable[[str], None]): Receives the lines for the user.

    Returns:
        dict: ``seed``, each variant by name with its metrics, and ``seconds`` by stage.
    """
    start = time.monotonic()
    seconds = run_stages(cmpl_demo_stages(options), options.work_dir, report)
    summary = summarize(options, seconds)
    atomic_write_json(options.work_dir / 'summary.json', summary, indent=2)
    pictures = draw_word_demo(
        options.data_root,
        options.masks,
        {
            title: options.work_dir / name / 'detections.segm.json'
            for name, title in VARIANTS.items()
        },
        options.work_dir / 'pictures',
        options.num_pictures,
    )
    report(variants_table(summary, VARIANTS))
    report(f'{(time.monotonic() - start) / 60:.1f} minutes')
    report(f'metrics: {options.work_dir / "summary.json"}')
    report(f'pictures: {pictures}')
    return summary


def summarize(options: CmplDemoOptions, seconds: dict[str, float]) -> dict:
    """Collect the metrics of all stages."""
    metrics = {name: read_metrics(options, name) for name in VARIANTS}
    return {'seed': options.seed, **metrics, 'seconds': seconds}
