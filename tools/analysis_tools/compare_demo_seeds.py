"""Several runs of a demo in one Markdown table.

Example:
    python tools/analysis_tools/compare_demo_seeds.py work_dirs/demo_seed*/summary.json
"""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.demos import cmpl_tables, ggn_tables, ovis_tables, word_tables
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import read_json

TABLES = {
    'tools/demo.py': ggn_tables,
    'tools/demo_ovis.py': ovis_tables,
    'tools/demo_cmpl.py': cmpl_tables,
}


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


def _demo_of(run: dict) -> str:
    """Name the demo that wrote a summary."""
    if 'words' in run:
        return 'tools/demo_ovis.py'
    return 'tools/demo_cmpl.py' if 'student' in run else 'tools/demo.py'


def main() -> None:
    """Print the table.

    Raises:
        ValueError: If the runs are not of one demo.
    """
    args = parse_args()
    runs = [read_json(path) for path in args.summaries]
    demos = {_demo_of(run) for run in runs}
    if len(demos) > 1:
        raise ValueError(f'the runs are of {" and ".join(sorted(demos))}')
    tables = TABLES[demos.pop()]
    print(tables.seeds_table(runs, args.keys or tables.TABLE_KEYS))


if __name__ == '__main__':
    run_tool(main)
