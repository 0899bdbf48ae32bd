"""Mask-free OVIS from nothing to a table: the chain behind ``make demo-ovis``."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...utils.io import atomic_write_json, read_json
from ..word_quality import words_table
from .ovis_stages import VARIANTS, OvisDemoOptions, ovis_demo_stages
from .stages import run_stages
from .word_pictures import draw_word_demo
from .word_tables import variants_table
from .words import read_metrics


def run_ovis_demo(options: OvisDemoOptions, report: Callable[[str], None]) -> dict:
    """Run the chain, print its tables, draw pictures and write ``summary.json``.

    Args:
        options (OvisDemoOptions): Sizes and places.
        report (Callable[[str], None]): Receives the lines for the user.

    Returns:
        dict: ``words`` (pointing game and overlap of masks by word), each variant by
        name with its metrics, and ``seconds`` by stage.
    """
    start = time.monotonic()
    seconds = run_stages(ovis_demo_stages(options), options.work_dir, report)
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
    report(words_table(summary['words']))
    report(variants_table(summary, VARIANTS))
    report(f'{(time.monotonic() - start) / 60:.1f} minutes')
    report(f'metrics: {options.work_dir / "summary.json"}')
    report(f'pictures: {pictures}')
    return summary


def summarize(options: OvisDemoOptions, seconds: dict[str, float]) -> dict:
    """Collect the metrics of all stages."""
    summary: dict = {
        'seed': options.seed,
        'words': read_json(options.work_dir / 'words.json'),
    }
    for name in VARIANTS:
        summary[name] = read_metrics(options, name)
    return {**summary, 'seconds': seconds}
