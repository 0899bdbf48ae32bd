"""The table of one run of the demo, and that of several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from terminaltables import AsciiTable, GithubFlavoredMarkdownTable

ROWS = {
    'baseline': 'baseline (test)',
    'ggn': 'GGN (test)',
    'pseudo': 'pseudo masks (train)',
}
SPLITS = ('unseen', 'seen')
TABLE_KEYS = ('segm_AR@10', 'segm_AR@100', 'segm_AP', 'segm_F1@100')
_HEAD = ('masks of', 'objects', *(key.removeprefix('segm_') for key in TABLE_KEYS))


def demo_table(summary: Mapping) -> str:
    """Format the table of one run; figures are percentages.

    Args:
        summary (Mapping): What :func:`.demo.run_demo` returns.
    """
    rows = [
        [title, split, *(_percent(summary[name][split][key]) for key in TABLE_KEYS)]
        for name, title in ROWS.items()
        for split in SPLITS
    ]
    table = AsciiTable([_HEAD, *rows], 'OpenShapes, %')
    for column in range(2, len(_HEAD)):
        table.justify_columns[column] = 'right'
    return table.table


def seeds_table(summaries: Sequence[Mapping]) -> str:
    """Format several runs as Markdown: each figure for every seed.

    Args:
        summaries (Sequence[Mapping]): ``summary.json`` of each run.

    Returns:
        str: The table, percentages in the order of the seeds, and two lines on what
        GGN gains in AR@100.

    Raises:
        ValueError: If there is no run, or a seed occurs twice.
    """
    seeds = [summary['seed'] for summary in summaries]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f'need runs with different seeds, got the seeds {seeds}')
    runs = sorted(summaries, key=lambda summary: summary['seed'])
    rows = [
        [title, split, *(_each(runs, name, split, key) for key in TABLE_KEYS)]
        for name, title in ROWS.items()
        for split in SPLITS
    ]
    lines = [GithubFlavoredMarkdownTable([_HEAD, *rows]).table, '']
    for split in SPLITS:
        gains = [gain(run, split) for run in runs]
        each = ', '.join(f'{100 * value:+.1f}' for value in gains)
        lines.append(
            f'GGN - baseline, AR@100, {split}: {each} '
            f'(seeds: {", ".join(map(str, sorted(seeds)))}; '
            f'median {100 * median(gains):+.1f})'
        )
    return '\n'.join(lines)


def gain(summary: Mapping, split: str, key: str = 'segm_AR@100') -> float:
    """What GGN has more than the baseline in one run, a fraction.

    Args:
        summary (Mapping): ``summary.json`` of the run.
        split (str): ``'unseen'`` or ``'seen'``.
        key (str): The metric.

    Examples:
        >>> run = {'baseline': {'unseen': {'segm_AP': 0.25}},
        ...        'ggn': {'unseen': {'segm_AP': 0.5}}}
        >>> gain(run, 'unseen', 'segm_AP')
        0.25
    """
    return summary['ggn'][split][key] - summary['baseline'][split][key]


def _each(runs: Sequence[Mapping], name: str, split: str, key: str) -> str:
    return ' / '.join(_percent(run[name][split][key]) for run in runs)


def _percent(value: float) -> str:
    return f'{100 * value:.1f}'
