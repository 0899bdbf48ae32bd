"""Tables of demos whose detectors know objects by words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from terminaltables import AsciiTable, GithubFlavoredMarkdownTable

TABLE_KEYS = (
    'segm_base_AP50',
    'segm_novel_AP50',
    'segm_all_AP50',
    'segm_constrained_base_AP50',
    'segm_constrained_novel_AP50',
    'bbox_novel_AP50',
)


def variants_table(summary: Mapping, variants: Mapping[str, str]) -> str:
    """Format AP50 of all variants in one run; figures are percentages.

    Args:
        summary (Mapping): ``summary.json`` of the run.
        variants (Mapping[str, str]): Titles by name.
    """
    rows = [
        [title, *(percent(figure(summary, name, key)) for key in TABLE_KEYS)]
        for name, title in variants.items()
    ]
    table = AsciiTable([_head(TABLE_KEYS), *rows], 'OpenShapes, %')
    for column in range(1, 1 + len(TABLE_KEYS)):
        table.justify_columns[column] = 'right'
    return table.table


def variants_of_seeds(
    runs: Sequence[Mapping], variants: Mapping[str, str], keys: Sequence[str]
) -> str:
    """Format several runs as Markdown: each figure for every run.

    Args:
        runs (Sequence[Mapping]): ``summary.json`` of each.
        variants (Mapping[str, str]): Titles by name.
        keys (Sequence[str]): Metrics that are shown.

    Raises:
        ValueError: If a run lacks a variant or a metric.
    """
    rows = [
        [title, *(each(figure(run, name, key) for run in runs) for key in keys)]
        for name, title in variants.items()
    ]
    return GithubFlavoredMarkdownTable([_head(keys), *rows]).table


def figure(run: Mapping[str, Any], name: str, key: str) -> Any:
    """Look up a figure of a run.

    Args:
        run (Mapping): Its ``summary.json``.
        name (str): Of what it is a figure.
        key (str): The metric.

    Raises:
        ValueError: If the run has nothing of that name, or no such metric; the message
            says what it has.

    Examples:
        >>> run = {'seed': 1, 'teacher': {'segm_all_AP50': 0.5}}
        >>> figure(run, 'teacher', 'segm_all_AP50')
        0.5
        >>> figure(run, 'student', 'segm_all_AP50')
        Traceback (most recent call last):
        ValueError: the run of seed 1 has no 'student'; it has teacher
    """
    what = f'the run of seed {run["seed"]}'
    if name not in run:
        others = [o for o in run if isinstance(run[o], Mapping) and o != 'seconds']
        raise _lacks(what, name, others)
    if key not in run[name]:
        raise _lacks(f"{what}, '{name}',", key, run[name])
    return run[name][key]


def gains_line(what: str, gains: Sequence[float]) -> str:
    """Say what is gained in each run, and the median; percentages.

    Args:
        what (str): What is compared.
        gains (Sequence[float]): Differences, fractions.

    Examples:
        >>> gains_line('a - b', [0.1, 0.25, 0.05])
        'a - b: +10.0, +25.0, +5.0 (median +10.0)'
    """
    shown = ', '.join(f'{100 * value:+.1f}' for value in gains)
    return f'{what}: {shown} (median {100 * median(gains):+.1f})'


def each(values: Iterable[float]) -> str:
    """Format a figure of each run.

    Examples:
        >>> each([0.1, 0.25])
        '10.0 / 25.0'
    """
    return ' / '.join(map(percent, values))


def percent(value: float) -> str:
    """Format a fraction as a percentage without its sign."""
    return f'{100 * value:.1f}'


def _lacks(what: str, missing: str, known: Iterable[str]) -> ValueError:
    return ValueError(f"{what} has no '{missing}'; it has {', '.join(known)}")


def _head(keys: Sequence[str]) -> list[str]:
    """Columns; AP50 of masks is what is meant where nothing else is said."""
    shown = [
        key.removeprefix('segm_')
        .removesuffix('_AP50')
        .replace('bbox_', 'boxes, ')
        .replace('_', ' ')
        for key in keys
    ]
    return ['learns from', *shown]
