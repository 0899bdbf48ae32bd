"""Several runs of a demo in one Markdown table.

Example:
    python tools/analysis_tools/compare_demo_seeds.py work_dirs/demo_seed*/summary.json
"""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.demos import ggn_tables, word_tables
from mmdet_ovis.apis.demos.comparison import compare_runs
from mmdet_ovis.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Print the results of several seeds of tools/demo.py, '
        'tools/demo_ovis.py or tools/demo_cmpl.py side by side, and what is gained.'
    )
    parser.add_argument(
        'summaries', nargs='+', metavar='FILE', help='summary.json of each run'
    )
    parser.add_argument(
        '--keys',
        nargs='+',
        help='metrics that are shown, such as segm_AR@100 bbox_AR@100 (default: '
        f'{" ".join(ggn_tables.TABLE_KEYS)}; for the others '
        f'{" ".join(word_tables.TABLE_KEYS)})',
    )
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    args = parse_args()
    print(compare_runs(args.summaries, args.keys))


if __name__ == '__main__':
    run_tool(main)
