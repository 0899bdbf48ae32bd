"""Files of base, novel and all classes: ``ov_split.py ANN_FILE --out-dir DIR``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_ovis.datasets.converters import class_lists, convert_ov_split
from mmdet_ovis.utils.class_lists import file_or_split
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
examples:
  python tools/dataset_converters/ov_split.py \\
      data/coco/annotations/instances_val2017.json --out-dir data/coco/annotations
  python tools/dataset_converters/ov_split.py data/openimages/annotations/train.json \\
      --rank 200 100 --splits base --out-dir data/openimages/annotations
  python tools/dataset_converters/ov_split.py \\
      data/openimages/annotations/validation.json \\
      --base data/openimages/annotations/base.txt \\
      --novel data/openimages/annotations/novel.txt \\
      --rename /m/020lf='Computer mouse' --out-dir data/openimages/annotations
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Split a COCO file into base and novel classes. A split has the '
        'annotations of its classes and the images that have one; it is written to '
        '<name of the file>_<split>.json.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('ann_file', help='COCO file with the objects of all classes')
    parser.add_argument(
        '--out-dir', type=Path, required=True, metavar='DIR', help='folder to write to'
    )
    parser.add_argument(
        '--splits',
        nargs='+',
        choices=class_lists.SPLITS,
        default=class_lists.SPLITS,
        help='what to write (default: all three)',
    )
    parser.add_argument(
        '--base',
        metavar='LIST',
        help='file with a base class a line (name, id or machine id), or a split '
        '(default: the 48 classes of COCO)',
    )
    parser.add_argument(
        '--novel', metavar='LIST', help='the same for novel classes (default: the 17)'
    )
    parser.add_argument(
        '--rank',
        nargs='+',
        type=int,
        metavar='N',
        help='make the N most frequent classes base, and the others, or a second '
        'number of them, novel classes; writes DIR/base.txt and DIR/novel.txt',
    )
    parser.add_argument(
        '--rank-by',
        choices=['instances', 'images'],
        default='instances',
        help='what is frequent (default: instances)',
    )
    parser.add_argument(
        '--rename',
        nargs='+',
        default=[],
        metavar='CLASS=NAME',
        help='give a category (by name, id or machine id) another name',
    )
    return parser.parse_args()


def main() -> None:
    """Split the file, and say what came of it."""
    args = parse_args()
    base, novel = file_or_split(args.base), file_or_split(args.novel)
    if args.rank:
        base, novel = class_lists.rank_to_files(
            args.ann_file, args.out_dir, args.rank, args.rank_by
        )
    renames = class_lists.parse_renames(args.rename)
    for summary in convert_ov_split(
        args.ann_file, args.out_dir, args.splits, base, novel, renames
    ):
        print(summary)


if __name__ == '__main__':
    run_tool(main)
