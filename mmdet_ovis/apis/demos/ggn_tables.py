"""The table of one run of the demo, and that of several seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from terminaltables import AsciiTable, GithubFlavoredMarkdownTable

from .ggn_methods import METHODS
from .seeds import order_by_seed

SPLITS = ('unseen', 'seen')
TABLE_KEYS = ('segm_AR@10', 'segm_AR@100', 'segm_AP', 'segm_F1@100')
BASELINE = 'baseline'


def demo_table(summary: Mapping) -> str:
    """Format the table of one run; figures are percentages.

    Args:
        summary (Mapping): What :func:`.ggn.run_demo` returns.
    """
    rows = [
        [title, split, *(_percent(summary, name, split, key) for key in TABLE_KEYS)]
        for name, title in _rows(summary)
        for split in SPLITS
    ]
    table = AsciiTable([_head(TABLE_KEYS), *rows], 'OpenShapes, %')
    for column in range(2, 2 + len(TABLE_KEYS)):
        table.justify_columns[column] = 'right'
    return table.table


def seeds_table(summaries: Sequence[Mapping], keys: Sequence[str] = TABLE_KEYS) -> str:
    """Format several runs as Markdown: each figure for every seed.

    Args:
        summaries (Sequence[Mapping]): ``summary.json`` of each run.
        keys (Sequence[str]): Metrics that are shown.

    Returns:
        str: The table, percentages in the order of the seeds, and two lines for each
        method with masks on what it gains over the baseline in AR@100.

    Raises:
        ValueError: If there is no run, a seed occurs twice, or the runs compare other
            methods.
    """
    runs = order_by_seed(summaries)
    names = [dict(_rows(run)) for run in runs]
    for run, rows in zip(runs, names, strict=True):
        if rows != names[0]:
            raise ValueError(
                f'the run of seed {run["seed"]} compares {", ".join(rows)}, that of '
                f'seed {runs[0]["seed"]} {", ".join(names[0])}'
            )
    table = [
        [title, split, *(_each(runs, name, split, key) for key in keys)]
        for name, title in names[0].items()
        for split in SPLITS
    ]
    lines = [GithubFlavoredMarkdownTable([_head(keys), *table]).table, '']
    return '\n'.join([*lines, *_gain_lines(runs)])


def gain(
    summary: Mapping, split: str, key: str = 'segm_AR@100', method: str = 'ggn'
) -> float:
    """What a method has more than the baseline in one run, a fraction.

    Args:
        summary (Mapping): ``summary.json`` of the run.
        split (str): ``'unseen'`` or ``'seen'``.
        key (str): The metric.
        method (str): Its name in the summary.

    Examples:
        >>> run = {'baseline': {'unseen': {'segm_AP': 0.25}},
        ...        'ggn': {'unseen': {'segm_AP': 0.5}}}
        >>> gain(run, 'unseen', 'segm_AP')
        0.25
    """
    return summary[method][split][key] - summary[BASELINE][split][key]


def _rows(summary: Mapping) -> Iterator[tuple[str, str]]:
    """Names and titles of what a summary holds, in the order of the tables."""
    for name, method in METHODS.items():
        if name in summary:
            yield name, f'{method.title} (test)'
    for name in summary:
        if name.startswith('pseudo'):
            ranked = ', ranked by OLN' if name.endswith('_oln-ranker') else ''
            yield name, f'pseudo masks{ranked} (train)'


def _gain_lines(runs: Sequence[Mapping]) -> Iterator[str]:
    if BASELINE not in runs[0]:
        return
    seeds = ', '.join(str(run['seed']) for run in runs)
    for name, method in METHODS.items():
        if name == BASELINE or name not in runs[0] or 'segm' not in method.metrics:
            continue
        for split in SPLITS:
            gains = [gain(run, split, method=name) for run in runs]
            each = ', '.join(f'{100 * value:+.1f}' for value in gains)
            yield (
                f'{method.title} - baseline, AR@100, {split}: {each} '
                f'(seeds: {seeds}; median {100 * median(gains):+.1f})'
            )


def _head(keys: Sequence[str]) -> list[str]:
    """Columns; masks are what is meant where nothing else is said."""
    shown = [key.removeprefix('segm_').replace('bbox_', 'boxes, ') for key in keys]
    return ['masks of', 'objects', *shown]


def _each(runs: Sequence[Mapping], name: str, split: str, key: str) -> str:
    figures = [_percent(run, name, split, key) for run in runs]
    return '-' if set(figures) == {'-'} else ' / '.join(figures)


def _percent(summary: Mapping, name: str, split: str, key: str) -> str:
    """A figure, or a dash where a method has none, as masks of a box detector."""
    value = summary[name][split].get(key)
    return '-' if value is None else f'{100 * value:.1f}'
