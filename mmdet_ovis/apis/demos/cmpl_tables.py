"""The table of several runs of the demo of cross-modal pseudo labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .cmpl_stages import VARIANTS
from .seeds import order_by_seed
from .word_tables import TABLE_KEYS, figure, gains_line, variants_of_seeds


def seeds_table(summaries: Sequence[Mapping], keys: Sequence[str] = TABLE_KEYS) -> str:
    """Format several runs as Markdown: each figure for every seed.

    Args:
        summaries (Sequence[Mapping]): ``summary.json`` of each run.
        keys (Sequence[str]): Metrics that are shown.

    Returns:
        str: The table, percentages in the order of the seeds, and what the student has
        more than its teacher.

    Raises:
        ValueError: If there is no run, a seed occurs twice, or a run lacks a metric.
    """
    runs = order_by_seed(summaries)
    lines = [
        gains_line(
            f'student - teacher, AP50 of masks of {group} words',
            [gain(run, group) for run in runs],
        )
        for group in ('novel', 'base')
    ]
    return '\n'.join([variants_of_seeds(runs, VARIANTS, keys), '', *lines])


def gain(summary: Mapping, group: str) -> float:
    """What the student has more than its teacher.

    Args:
        summary (Mapping): ``summary.json`` of a run.
        group (str): ``'novel'`` or ``'base'``.

    Returns:
        float: Difference of AP50 of masks, all words competing.
    """
    key = f'segm_{group}_AP50'
    return figure(summary, 'student', key) - figure(summary, 'teacher', key)
