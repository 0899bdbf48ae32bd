"""Several runs of a demo in one Markdown table.

Example:
    python tools/analysis_tools/compare_demo_seeds.py work_dirs/demo_seed*/summary.json
"""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.demos import ggn_tables, ovis_tables
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import read_json


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Print the results of several seeds of tools/demo.py or '
        'tools/demo_ovis.py side by side, and what is gained over the baseline.'
    )
    parser.add_argument(
        'summaries', nargs='+', metavar='FILE', help='summary.json of each run'
    )
    parser.add_argument(
        '--keys',
        nargs='+',
        help='metrics that are shown, such as segm_AR@100 bbox_AR@100 (default: '
        f'{" ".join(ggn_tables.TABLE_KEYS)}; for demo_ovis.py '
        f'{" ".join(ovis_tables.TABLE_KEYS)})',
    )
    return parser.parse_args()


def main() -> None:
    """Print the table.

    Raises:
        ValueError: If the runs are not of one demo.
    """
    args = parse_args()
    runs = [read_json(path) for path in args.summaries]
    has_words = {'words' in run for run in runs}
    if len(has_words) > 1:
        raise ValueError('some runs are of tools/demo.py, some of tools/demo_ovis.py')
    tables = ovis_tables if has_words.pop() else ggn_tables
    print(tables.seeds_table(runs, args.keys or tables.TABLE_KEYS))


if __name__ == '__main__':
    run_tool(main)
