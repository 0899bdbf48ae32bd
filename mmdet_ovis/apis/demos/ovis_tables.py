"""The table of one run of the open-vocabulary demo, and that of several seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from terminaltables import AsciiTable, GithubFlavoredMarkdownTable

from ..word_quality import MEAN
from .ovis_stages import VARIANTS
from .seeds import order_by_seed

TABLE_KEYS = (
    'segm_base_AP50',
    'segm_novel_AP50',
    'segm_all_AP50',
    'segm_constrained_base_AP50',
    'segm_constrained_novel_AP50',
    'bbox_novel_AP50',
)
BASELINE = 'base-only'


def variants_table(summary: Mapping) -> str:
    """Format AP50 of all variants in one run; figures are percentages.

    Args:
        summary (Mapping): What :func:`.ovis.run_ovis_demo` returns.
    """
    rows = [
        [title, *(_percent(summary[name][key]) for key in TABLE_KEYS)]
        for name, title in VARIANTS.items()
    ]
    table = AsciiTable([_head(TABLE_KEYS), *rows], 'OpenShapes, %')
    for column in range(1, 1 + len(TABLE_KEYS)):
        table.justify_columns[column] = 'right'
    return table.table


def seeds_table(summaries: Sequence[Mapping], keys: Sequence[str] = TABLE_KEYS) -> str:
    """Format several runs as Markdown: each figure for every seed.

    Args:
        summaries (Sequence[Mapping]): ``summary.json`` of each run.
        keys (Sequence[str]): Metrics that are shown.

    Returns:
        str: The table, percentages in the order of the seeds; what the best variant
        with pseudo labels gains over base only; and how well words are found.

    Raises:
        ValueError: If there is no run, or a seed occurs twice.
    """
    runs = order_by_seed(summaries)
    rows = [
        [title, *(_each(run[name][key] for run in runs) for key in keys)]
        for name, title in VARIANTS.items()
    ]
    gains = [novel_gain(run) for run in runs]
    each = ', '.join(f'{100 * value:+.1f}' for value in gains)
    return '\n'.join(
        [
            GithubFlavoredMarkdownTable([_head(keys), *rows]).table,
            '',
            f'best variant with pseudo labels - base only, AP50 of masks of novel '
            f'words: {each} (median {100 * median(gains):+.1f})',
            'pointing game, mean over words: '
            + _each(run['words'][MEAN]['pointing_accuracy'] for run in runs),
            'IoU of pseudo masks, mean over words: '
            + _each(run['words'][MEAN]['mask_iou'] for run in runs),
        ]
    )


def novel_gain(summary: Mapping) -> float:
    """What the best variant with pseudo labels has more than base only.

    Args:
        summary (Mapping): ``summary.json`` of a run.

    Returns:
        float: Difference of AP50 of masks of novel words, all words competing.
    """
    key = 'segm_novel_AP50'
    others = [summary[name][key] for name in VARIANTS if name != BASELINE]
    return max(others) - summary[BASELINE][key]


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


def _each(values: Iterator[float]) -> str:
    return ' / '.join(map(_percent, values))


def _percent(value: float) -> str:
    return f'{100 * value:.1f}'
