"""Merge pseudo masks: ``merge_annotations.py --ref REF --inputs GLOB --out OUT``."""

from __future__ import annotations

import argparse

from mmdet_ovis.pseudo_labels import MergeOptions, merge_annotations
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
example:
  python tools/merge_annotations.py --ref annotations/instances_train2017.json \\
      --inputs 'work_dirs/pa_masks/masks*.json' --out annotations/pa_masks.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Merge outputs of extract_pa_masks.py into one COCO file.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--ref', required=True, metavar='FILE', help='COCO file of the images'
    )
    parser.add_argument(
        '--inputs',
        required=True,
        nargs='+',
        metavar='GLOB',
        help='outputs of extract_pa_masks.py, as paths or patterns',
    )
    parser.add_argument(
        '--out', required=True, metavar='FILE', help='COCO file to write'
    )
    parser.add_argument(
        '--category-id',
        type=int,
        metavar='ID',
        help='category of all pseudo masks (default: as in the inputs)',
    )
    parser.add_argument(
        '--category-name',
        metavar='NAME',
        help='name of that category, added where the reference lacks it',
    )
    parser.add_argument(
        '--top-k', type=int, metavar='K', help='keep so many masks an image'
    )
    parser.add_argument(
        '--max-gt-iou',
        type=float,
        metavar='IOU',
        help='keep masks whose best IoU with a seen instance is below this',
    )
    parser.add_argument(
        '--min-score', type=float, metavar='S', help='keep scores of at least this'
    )
    parser.add_argument(
        '--include-gt',
        action='store_true',
        help='keep the annotations of the reference',
    )
    return parser.parse_args()


def main() -> None:
    """Merge, and say what came of it."""
    args = vars(parse_args())
    ref, inputs, out = (args.pop(key) for key in ('ref', 'inputs', 'out'))
    summary = merge_annotations(ref, inputs, out, MergeOptions(**args))
    print(
        f'{summary.out}: {summary.n_kept} of {summary.n_read} pseudo masks from '
        f'{summary.n_inputs} files on {summary.n_images} images, '
        f'{summary.n_ground_truth} annotations of the reference'
    )


if __name__ == '__main__':
    run_tool(main)
