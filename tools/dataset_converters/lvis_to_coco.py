"""LVIS v1 annotations as a COCO file: ``lvis_to_coco.py ANN_FILE --out FILE``."""

from __future__ import annotations

import argparse

from mmdet_ovis.datasets.converters import convert_lvis
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
example:
  python tools/dataset_converters/lvis_to_coco.py data/lvis_v1/lvis_v1_train.json \\
      --out data/coco/annotations/lvis_v1_train_coco.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Give LVIS v1 annotations the keys that COCO readers need '
        '(file_name, supercategory, iscrowd). Images are those of COCO.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('ann_file', help='lvis_v1_train.json or lvis_v1_val.json')
    parser.add_argument('--out', required=True, metavar='FILE', help='file to write')
    parser.add_argument(
        '--split',
        nargs='+',
        default=['all'],
        metavar='NAME',
        help='categories to keep: lvis_coco, lvis_noncoco, another split, or several '
        'names or category ids (default: all; configs choose splits themselves)',
    )
    return parser.parse_args()


def main() -> None:
    """Convert, and say what came of it."""
    args = parse_args()
    members = [int(word) if word.isdecimal() else word for word in args.split]
    one_name = len(members) == 1 and isinstance(members[0], str)
    print(convert_lvis(args.ann_file, args.out, members[0] if one_name else members))


if __name__ == '__main__':
    run_tool(main)
