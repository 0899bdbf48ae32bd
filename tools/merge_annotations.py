"""Merge pseudo masks: ``merge_annotations.py --ref REF --inputs GLOB --out OUT``.

Inputs are read image by image, so that memory does not grow with the number of masks.
"""

from __future__ import annotations

import argparse

from mmdet_ovis.pseudo_labels import MergeOptions, merge_annotations
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
examples:
  python tools/merge_annotations.py --ref annotations/instances_train2017.json \\
      --inputs 'work_dirs/pa_masks/masks*.json' --out annotations/pa_masks.json
  python tools/merge_annotations.py --ref annotations/instances_train2017.json \\
      --inputs sam_results.json --category-id 1 --seen-class voc --max-gt-iou 0.5 \\
      --out annotations/sam_masks.json --per-image-dir annotations/sam_masks
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Merge outputs of extract_pa_masks.py, or results of other tools, '
        'into one COCO file.',
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
        help='outputs of extract_pa_masks.py, merged files, or COCO results with '
        'masks; paths or patterns',
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
        '--seen-class',
        nargs='+',
        metavar='SPLIT',
        help='classes of the reference to compare masks with whose file does not tell '
        'this IoU: a split (voc, not:person, ...) or several class names',
    )
    parser.add_argument(
        '--min-score', type=float, metavar='S', help='keep scores of at least this'
    )
    parser.add_argument(
        '--include-gt',
        action='store_true',
        help='keep the annotations of the reference',
    )
    parser.add_argument(
        '--per-image-dir',
        metavar='DIR',
        help='also write the masks that are kept to DIR/{image_id}.json, one file for '
        'each image of the reference',
    )
    return parser.parse_args()


def main() -> None:
    """Merge, and say what came of it."""
    args = vars(parse_args())
    ref, inputs, out, folder = (
        args.pop(key) for key in ('ref', 'inputs', 'out', 'per_image_dir')
    )
    seen = args.pop('seen_class')
    # One word is the name of a split, several are class names.
    args['seen_class'] = seen[0] if seen and len(seen) == 1 else seen
    summary = merge_annotations(ref, inputs, out, MergeOptions(**args), folder)
    print(
        f'{summary.out}: {summary.n_kept} of {summary.n_read} pseudo masks from '
        f'{summary.n_inputs} files on {summary.n_with_masks} of {summary.n_images} '
        f'images, {summary.n_ground_truth} annotations of the reference'
    )
    if folder:
        print(f'{folder}: {summary.n_files} files, one an image')


if __name__ == '__main__':
    run_tool(main)
