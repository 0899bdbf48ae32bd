"""Pseudo labels with words as a COCO file: ``prepare_coco_dataset.py --ref REF``."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.coco_preparation import SPLITS, prepare_coco_dataset
from mmdet_ovis.pseudo_labels.class_selection import BOXES, PRESETS
from mmdet_ovis.utils.class_lists import file_or_split
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
examples:
  python tools/ovis/prepare_coco_dataset.py --inputs work_dirs/ovis/masks.json \\
      --ref data/coco/annotations/captions_train2017.json --vocabulary coco65 \\
      --out data/coco/annotations/ovis_pseudo_train2017.json
  python tools/ovis/prepare_coco_dataset.py --inputs 'work_dirs/ovis/masks_?.json' \\
      --ref data/openshapes/annotations/captions_train.json \\
      --vocabulary data/openshapes/annotations/instances_train.json \\
      --base openshapes_seen --novel openshapes_unseen --split novel \\
      --out work_dirs/ovis/pseudo.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Put pseudo labels with words into one COCO file for training: a '
        'category a word, the masks of several captions of an image together. Numbers '
        'go to OUT.report.json.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--inputs',
        required=True,
        nargs='+',
        metavar='GLOB',
        help='outputs of generate_pseudo_masks.py or cmpl/extract_pseudo_masks.py, or '
        'COCO files and results with words; paths or patterns',
    )
    parser.add_argument(
        '--ref',
        required=True,
        metavar='FILE',
        help='images: a COCO file, or captions (COCO, list, or .jsonl)',
    )
    parser.add_argument(
        '--out', required=True, metavar='FILE', help='COCO file to write'
    )
    parser.add_argument(
        '--images', metavar='DIR', help='image folder, where REF does not tell sizes'
    )
    parser.add_argument(
        '--vocabulary',
        metavar='NAME',
        help='classes: coco80, coco65, lvis, ..., or a .txt or .json file, whose '
        'synonyms count as well (default: the words that occur)',
    )
    parser.add_argument(
        '--classes', nargs='+', metavar='WORD', help='keep these classes only'
    )
    parser.add_argument(
        '--split', choices=SPLITS, help='keep base or novel classes, or both, only'
    )
    parser.add_argument(
        '--base',
        metavar='LIST',
        help='base classes: a file with one a line, or a split (default: 48 of COCO)',
    )
    parser.add_argument(
        '--novel', metavar='LIST', help='the same for novel classes (default: 17)'
    )
    parser.add_argument(
        '--preset',
        choices=list(PRESETS),
        default='default',
        help='compat: one mask of a class in an image, drawn at random, as the code of '
        'Mask-free OVIS does (default: default)',
    )
    parser.add_argument(
        '--min-conf',
        type=float,
        metavar='S',
        help='keep scores of at least this (default: 0.3; compat: all)',
    )
    parser.add_argument(
        '--min-area', type=int, metavar='N', help='keep masks of at least N pixels'
    )
    parser.add_argument(
        '--nms-iou',
        type=float,
        metavar='IOU',
        help='leave out masks that overlap a better one of their class by more '
        '(default: 0.7; compat, or 1: none)',
    )
    parser.add_argument(
        '--max-per-class', type=int, metavar='N', help='keep N of a class in an image'
    )
    parser.add_argument('--seed', type=int, help='of random choices (default: 0)')
    parser.add_argument(
        '--box', choices=BOXES, help='what bbox is drawn around (default: mask)'
    )
    parser.add_argument(
        '--report', metavar='FILE', help='numbers as JSON (default: OUT.report.json)'
    )
    return parser.parse_args()


def main() -> None:
    """Assemble the file, and say what came of it."""
    args = vars(parse_args())
    for group in ('base', 'novel'):
        args[group] = file_or_split(args[group])
    print(prepare_coco_dataset(image_dir=args.pop('images'), **args))


if __name__ == '__main__':
    run_tool(main)
