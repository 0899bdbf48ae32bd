"""A folder of images as a COCO file: ``images_to_coco.py FOLDER --out FILE``."""

from __future__ import annotations

import argparse

from mmdet_ovis.datasets.converters import convert_images
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.parallel import available_cores

EPILOG = """
example:
  python tools/dataset_converters/images_to_coco.py data/imagenet/train \\
      --out data/imagenet/annotations/train.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='List all images below a folder, with their sizes, for extraction '
        'of pseudo masks where nothing is annotated. Sizes are read from the headers. '
        'Files that cannot be read are left out and listed in OUT.unreadable.jsonl.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('folder', help='searched with all folders below it')
    parser.add_argument('--out', required=True, metavar='FILE', help='file to write')
    parser.add_argument(
        '--workers', type=int, default=available_cores(), help='processes'
    )
    return parser.parse_args()


def main() -> None:
    """Convert, and say what came of it."""
    args = parse_args()
    print(convert_images(args.folder, args.out, args.workers))


if __name__ == '__main__':
    run_tool(main)
