"""Instance masks of Open Images as a COCO file: ``openimages_to_coco.py MASKS_CSV``."""

from __future__ import annotations

import argparse

from mmdet_ovis.datasets.converters import convert_open_images
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.parallel import available_cores

EPILOG = """
example:
  python tools/dataset_converters/openimages_to_coco.py \\
      data/openimages/validation-annotations-object-segmentation.csv \\
      --classes data/openimages/oidv7-class-descriptions-boxable.csv \\
      --masks data/openimages/masks --images data/openimages/validation \\
      --out data/openimages/annotations/validation.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Convert the instance masks of Open Images V5 to V7. Masks are '
        'brought to the size of their images; images that are not there are left out.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('masks_csv', help='file *-annotations-object-segmentation.csv')
    parser.add_argument(
        '--classes',
        required=True,
        metavar='FILE',
        help='file *class-descriptions-boxable.csv',
    )
    parser.add_argument(
        '--masks', required=True, metavar='DIR', help='folder of the mask PNGs'
    )
    parser.add_argument(
        '--images', required=True, metavar='DIR', help='folder of the images'
    )
    parser.add_argument('--out', required=True, metavar='FILE', help='file to write')
    parser.add_argument(
        '--image-labels',
        metavar='FILE',
        help='verified image-level labels (*-imagelabels*.csv), for evaluation on '
        'verified classes only',
    )
    parser.add_argument(
        '--hierarchy',
        metavar='FILE',
        help='hierarchy of classes (bbox_labels_600_hierarchy.json), with '
        '--image-labels',
    )
    parser.add_argument(
        '--workers', type=int, default=available_cores(), help='processes'
    )
    return parser.parse_args()


def main() -> None:
    """Convert, and say what came of it."""
    args = parse_args()
    summary = convert_open_images(
        args.masks_csv,
        args.classes,
        args.masks,
        args.images,
        args.out,
        args.workers,
        args.image_labels,
        args.hierarchy,
    )
    print(summary)


if __name__ == '__main__':
    run_tool(main)
