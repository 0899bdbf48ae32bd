"""Tables and plot of `benchmark_grouping.py`."""

from __future__ import annotations

from pathlib import Path

from terminaltables import GithubFlavoredMarkdownTable


def _comparison_row(row: dict) -> list[str]:
    regions = str(row.get('n_leaves', ''))
    return [row['name'], _milliseconds(row['seconds']), regions, f'{row["ratio"]:.1f}']


def _step_row(row: dict) -> list[str]:
    scale = 1e9 / row['n_pixels']
    floor = row['floor']
    return [
        row['name'],
        row['step'],
        f'{1e3 * row["seconds"]:.2f}',
        f'{scale * row["seconds"]:.1f}',
        f'{scale * floor:.2f}' if floor else '',
        f'{row["seconds"] / floor:.0f}' if floor and row['seconds'] else '',
    ]


def _growth_row(row: dict) -> list[str]:
    return [
        f'{row["megapixels"]:g}',
        row['name'],
        str(row['n_leaves']),
        _milliseconds(row['seconds']),
        f'{1e3 * row["seconds"] / row["megapixels"]:.0f}',
        f'{row["times_a_16th"]:.1f}' if 'times_a_16th' in row else '',
        f'{row["peak_mib"]:.0f} ({row["peak_before_mib"]:.0f})',
    ]


def _leaves_row(row: dict) -> list[str]:
    return [str(row['n_leaves']), _milliseconds(row['seconds'])]


def _workers_row(row: dict) -> list[str]:
    return [str(row['workers']), f'{row["images_per_second"]:.1f}']


_MEGAPIXEL_HEAD = (
    *('MP', 'parameters', 'regions', 'time', 'ns a pixel'),
    'times that of a 16th',
    'peak MiB (before)',
)
TABLES = {
    'comparison': (
        ('480x640, one thread', 'median', 'regions', 'times pa_lib'),
        _comparison_row,
    ),
    'steps': (
        ('parameters', 'step', 'ms', 'ns a pixel', 'floor, ns', 'times the floor'),
        _step_row,
    ),
    'growth': (_MEGAPIXEL_HEAD, _growth_row),
    'leaves': (('regions', 'time, GGN'), _leaves_row),
    'workers': (('processes', 'images/s'), _workers_row),
}


def report(results: dict) -> str:
    """Format everything as Markdown."""
    return '\n\n'.join(
        GithubFlavoredMarkdownTable([head, *map(row, results[key])]).table
        for key, (head, row) in TABLES.items()
        if key in results
    )


def _milliseconds(seconds: float) -> str:
    return f'{1e3 * seconds:.1f} ms' if seconds < 1 else f'{seconds:.2f} s'


def plot_growth(rows: list[dict], path: Path) -> None:
    """Draw time against size, both logarithmic, with a line of slope 1."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 4))
    for name in dict.fromkeys(row['name'] for row in rows):
        chosen = [row for row in rows if row['name'] == name]
        sizes = [row['megapixels'] for row in chosen]
        times = [row['seconds'] for row in chosen]
        axes.loglog(sizes, times, marker='o', label=name)
    axes.loglog(
        sizes,
        [times[0] * s / sizes[0] for s in sizes],
        ':',
        color='gray',
        label='linear',
    )
    axes.set(xlabel='megapixels', ylabel='seconds, one thread')
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
