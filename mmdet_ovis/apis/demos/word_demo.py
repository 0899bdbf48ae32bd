"""Demos whose detectors know objects by words, from nothing to their tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ...utils.io import atomic_write_json, read_json
from ..word_quality import words_table
from .commands import read_metrics
from .stages import Stage, run_stages
from .word_pictures import draw_word_demo
from .word_tables import variants_table
from .words import WordDemoOptions


def run_word_demo(
    options: WordDemoOptions,
    chain: Sequence[Stage | tuple[Stage, ...]],
    variants: Mapping[str, str],
    report: Callable[[str], None],
    words: Path | None = None,
) -> dict:
    """Run a chain, print its tables, draw pictures and write ``summary.json``.

    Args:
        options (WordDemoOptions): Sizes and places.
        chain (Sequence[Stage | tuple[Stage, ...]]): The commands, see
            :func:`.stages.run_stages`.
        variants (Mapping[str, str]): Titles of the detectors that are compared, by
            name.
        report (Callable[[str], None]): Receives the lines for the user.
        words (Path, optional): How well words are found, as ``eval_words.py`` of the
            chain writes it.

    Returns:
        dict: See :func:`summarize`.
    """
    start = time.monotonic()
    seconds = run_stages(chain, options.work_dir, report)
    summary = summarize(options, variants, seconds, words)
    atomic_write_json(options.work_dir / 'summary.json', summary, indent=2)
    pictures = draw_word_demo(
        options.data_root,
        options.masks,
        {
            title: options.work_dir / name / 'detections.segm.json'
            for name, title in variants.items()
        },
        options.work_dir / 'pictures',
        options.num_pictures,
    )
    if words is not None:
        report(words_table(summary['words']))
    report(variants_table(summary, variants))
    report(f'{(time.monotonic() - start) / 60:.1f} minutes')
    report(f'metrics: {options.work_dir / "summary.json"}')
    report(f'pictures: {pictures}')
    return summary


def summarize(
    options: WordDemoOptions,
    variants: Mapping[str, str],
    seconds: Mapping[str, float],
    words: Path | None = None,
) -> dict:
    """Collect the metrics of all stages.

    Args:
        options (WordDemoOptions): Of the demo.
        variants (Mapping[str, str]): See :func:`run_word_demo`, as ``words``.
        seconds (Mapping[str, float]): By stage.
        words (Path, optional): See there.

    Returns:
        dict: ``seed``, ``words`` (by word and in the mean) if they are measured, each
        variant by name with its metrics, and ``seconds``.
    """
    return {
        'seed': options.seed,
        **({} if words is None else {'words': read_json(words)}),
        **{
            name: read_metrics(options.work_dir / name / 'metrics.json')
            for name in variants
        },
        'seconds': seconds,
    }
