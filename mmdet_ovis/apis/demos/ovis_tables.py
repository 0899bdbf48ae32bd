"""The table of one run of the open-vocabulary demo, and that of several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..word_quality import MEAN
from .ovis_stages import VARIANTS
from .seeds import order_by_seed
from .word_tables import TABLE_KEYS, each, figure, gains_line, variants_of_seeds

BASELINE = 'base-only'


def seeds_table(summaries: Sequence[Mapping], keys: Sequence[str] = TABLE_KEYS) -> str:
    """Format several runs as Markdown: each figure for every seed.

    Args:
        summaries (Sequence[Mapping]): ``summary.json`` of each run.
        keys (Sequence[str]): Metrics that are shown.

    Returns:
        str: The table, percentages in the order of the seeds; what the best variant
        with pseudo labels gains over base only; and how well words are found.

    Raises:
        ValueError: If there is no run, a seed occurs twice, or a run lacks a metric.
    """
    runs = order_by_seed(summaries)
    return '\n'.join(
        [
            variants_of_seeds(runs, VARIANTS, keys),
            '',
            gains_line(
                'best variant with pseudo labels - base only, AP50 of masks of novel '
                'words',
                [novel_gain(run) for run in runs],
            ),
            'pointing game, mean over words: '
            + each(figure(run, 'words', MEAN)['pointing_accuracy'] for run in runs),
            'IoU of pseudo masks, mean over words: '
            + each(figure(run, 'words', MEAN)['mask_iou'] for run in runs),
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
    others = [figure(summary, name, key) for name in VARIANTS if name != BASELINE]
    return max(others) - figure(summary, BASELINE, key)
