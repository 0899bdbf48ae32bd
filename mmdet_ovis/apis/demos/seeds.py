"""Several runs of one demo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def order_by_seed(summaries: Sequence[Mapping]) -> list[Mapping]:
    """Bring runs into the order of their seeds.

    Args:
        summaries (Sequence[Mapping]): ``summary.json`` of each run.

    Raises:
        ValueError: If there is no run, or a seed occurs twice.

    Examples:
        >>> order_by_seed([{'seed': 2}, {'seed': 0}])
        [{'seed': 0}, {'seed': 2}]
    """
    seeds = [summary['seed'] for summary in summaries]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f'need runs with different seeds, got the seeds {seeds}')
    return sorted(summaries, key=lambda summary: summary['seed'])
