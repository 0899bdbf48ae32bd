"""Several runs of the demo in one Markdown table.

Example:
    python tools/analysis_tools/compare_demo_seeds.py work_dirs/demo*/summary.json
"""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.demo_tables import TABLE_KEYS, seeds_table
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import read_json


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Print the results of several seeds of tools/demo.py side by side, '
        'and what GGN gains over the baseline.'
    )
    parser.add_argument(
        'summaries', nargs='+', metavar='FILE', help='summary.json of each run'
    )
    parser.add_argument(
        '--keys',
        nargs='+',
        default=TABLE_KEYS,
        help='metrics that are shown, such as segm_AR@100 bbox_AR@100 '
        '(default: %(default)s)',
    )
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    args = parse_args()
    print(seeds_table([read_json(path) for path in args.summaries], args.keys))


if __name__ == '__main__':
    run_tool(main)
