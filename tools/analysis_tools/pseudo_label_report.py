"""A page with counts, histograms, recall and pictures of a file of pseudo labels.

Examples:
    python tools/analysis_tools/pseudo_label_report.py work_dirs/pa_masks/masks.json \
        --images data/coco/train2017 --out work_dirs/pa_masks/report
    python tools/analysis_tools/pseudo_label_report.py sam_results.json \
        --images data/coco/train2017 --gt annotations/instances_train2017.json \
        --seen-class voc --format html --out work_dirs/sam_report
"""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.pseudo_label_report import make_report
from mmdet_ovis.apis.pseudo_label_report.pages import FORMATS
from mmdet_ovis.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Report on pseudo labels: what there is, how it is distributed, '
        'how it fits ground truth, and how the best and worst images look.',
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'masks',
        help='extracted masks, a merged COCO file, or COCO results with masks',
    )
    parser.add_argument('--images', required=True, metavar='DIR', help='image folder')
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='folder for the report'
    )
    parser.add_argument(
        '--gt', metavar='FILE', help='COCO file with the objects of all classes'
    )
    parser.add_argument(
        '--seen-class',
        nargs='+',
        metavar='SPLIT',
        help='classes that were labelled when the masks were made: a split (voc, '
        'not:person, ...) or several class names',
    )
    parser.add_argument('--format', choices=FORMATS, default='md', help='default: md')
    parser.add_argument(
        '--num-pictures',
        type=int,
        default=8,
        metavar='N',
        help='images in each mosaic (default: 8)',
    )
    parser.add_argument(
        '--max-masks',
        type=int,
        default=20,
        metavar='N',
        help='masks drawn on an image (default: 20)',
    )
    return parser.parse_args()


def main() -> None:
    """Write the report, and say where it is."""
    args = parse_args()
    seen = args.seen_class
    numbers = make_report(
        args.masks,
        args.images,
        args.out,
        gt=args.gt,
        # One word is the name of a split, several are class names.
        seen_class=seen[0] if seen and len(seen) == 1 else seen,
        form=args.format,
        num_pictures=args.num_pictures,
        max_masks=args.max_masks,
    )
    print(
        f'{args.out}/report.{args.format}: {numbers["masks"]} masks on '
        f'{numbers["images"]} images, {numbers["images_without_masks"]} without one'
    )
    if numbers['images_not_found']:
        print(f'{numbers["images_not_found"]} images are not in {args.images}')


if __name__ == '__main__':
    run_tool(main)
