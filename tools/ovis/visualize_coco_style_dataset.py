"""Draw a COCO-style file: ``visualize_coco_style_dataset.py ANN_FILE --images DIR``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_ovis.apis.coco_browsing import browse_coco_file
from mmdet_ovis.utils.cli import add_picture_options, run_tool

EPILOG = """
example:
  python tools/ovis/visualize_coco_style_dataset.py \\
      data/coco/annotations/ovis_pseudo_train2017.json --images data/coco/train2017 \\
      --gt data/coco/annotations/instances_train2017.json --limit 8
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Draw the masks of a COCO-style file with their words and scores, '
        'and beside them ground truth, if there is some. Writes one picture an image; '
        'needs no display.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('ann_file', type=Path, help='COCO file')
    parser.add_argument('--images', required=True, metavar='DIR', help='image folder')
    parser.add_argument(
        '--gt',
        metavar='FILE',
        help='COCO file with the objects of the images; masks show their IoU',
    )
    parser.add_argument(
        '--out-dir',
        type=Path,
        metavar='DIR',
        help='where to write (default: work_dirs/browse/<name of the file>)',
    )
    add_picture_options(parser)
    return parser.parse_args()


def main() -> None:
    """Draw the images, and name each picture."""
    args = parse_args()
    default = Path('work_dirs', 'browse', args.ann_file.stem)
    for path in browse_coco_file(
        args.ann_file,
        args.images,
        args.out_dir or default,
        gt=args.gt,
        limit=args.limit,
        interval=args.interval,
        image_ids=args.image_ids,
        boxes=args.boxes,
    ):
        print(path)


if __name__ == '__main__':
    run_tool(main)
