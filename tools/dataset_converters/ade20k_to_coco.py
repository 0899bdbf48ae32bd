"""The full ADE20K as a class-agnostic COCO file: ``ade20k_to_coco.py FOLDER``."""

from __future__ import annotations

import argparse

from mmdet_ovis.datasets.converters import convert_ade20k
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.parallel import available_cores

EPILOG = """
example:
  python tools/dataset_converters/ade20k_to_coco.py \\
      data/ADE20K_2021_17_01/images/ADE/validation \\
      --out data/ADE20K_2021_17_01/annotations/validation.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Convert the instance PNGs of ADE20K 2021_17_01 (the full release, '
        'not the 150-class challenge): of each instance the visible pixels become an '
        "annotation of the category 'object'.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('folder', help='images/ADE/validation or images/ADE/training')
    parser.add_argument('--out', required=True, metavar='FILE', help='file to write')
    parser.add_argument(
        '--no-parts',
        dest='parts',
        action='store_false',
        help="leave out parts of objects (default: keep them, as GGN's authors do)",
    )
    parser.add_argument(
        '--workers', type=int, default=available_cores(), help='processes'
    )
    return parser.parse_args()


def main() -> None:
    """Convert, and say what came of it."""
    args = parse_args()
    print(convert_ade20k(args.folder, args.out, args.parts, args.workers))


if __name__ == '__main__':
    run_tool(main)
