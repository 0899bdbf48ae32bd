"""Check an annotation or pseudo-label file: ``check_coco.py FILE [--images DIR]``."""

from __future__ import annotations

import argparse

from mmdet_ovis.datasets.checks import check_coco
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
Exit codes: 0 no problem; 1 problems, which are printed; 2 the file cannot be checked.

example:
  python tools/analysis_tools/check_coco.py \\
      data/coco/annotations/lvis_v1_val_coco.json --images data/coco
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Count all that is wrong with a COCO annotation file, a list of '
        'COCO results, or the output of extract_pa_masks.py, and name the first '
        'examples of each kind.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('file', help='JSON file')
    parser.add_argument(
        '--images',
        metavar='DIR',
        help='folder of the images: check that they are there and of the right size',
    )
    parser.add_argument(
        '--ref',
        metavar='FILE',
        help='annotation file of the images, for results and extracted masks',
    )
    return parser.parse_args()


def main() -> int:
    """Check and print the report."""
    args = parse_args()
    report = check_coco(args.file, args.images, args.ref)
    print(report)
    return 1 if report.problems else 0


if __name__ == '__main__':
    run_tool(main)
