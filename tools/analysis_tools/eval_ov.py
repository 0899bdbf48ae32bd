"""AP of base and novel classes of a COCO results file.

Examples:
    python tools/analysis_tools/eval_ov.py --gt instances_val2017.json \
        --dt results.segm.json --out metrics.json
    python tools/analysis_tools/eval_ov.py --gt data/openshapes/annotations/\
instances_val.json --dt results.segm.json --base openshapes_seen \
        --novel openshapes_unseen --iou-type bbox segm --classwise
"""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.evaluation import evaluate_vocabulary
from mmdet_ovis.evaluation.open_vocabulary import (
    CONSTRAINED,
    format_classes,
    format_groups,
)
from mmdet_ovis.utils.class_lists import file_or_split
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='AP, AP50 and AP75 of base, novel and all classes, and AR of novel '
        'ones, of detections with classes.',
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--gt', required=True, help='COCO annotation file')
    parser.add_argument(
        '--dt', required=True, help='COCO results, or annotations with scores'
    )
    parser.add_argument(
        '--base',
        metavar='LIST',
        help='base classes: a file with one a line, or a split (default: what --gt '
        'says, else the 48 of COCO)',
    )
    parser.add_argument(
        '--novel', metavar='LIST', help='the same for novel classes (default: the 17)'
    )
    parser.add_argument(
        '--iou-type', nargs='+', choices=['bbox', 'segm'], default=['segm']
    )
    parser.add_argument(
        '--constrained',
        choices=CONSTRAINED,
        help='evaluate this group alone, on images with an object of it',
    )
    parser.add_argument(
        '--verified-only',
        action='store_true',
        help='drop results of classes that are not verified for their image (Open '
        'Images)',
    )
    parser.add_argument(
        '--classwise', action='store_true', help='print AP50 of each class'
    )
    parser.add_argument('--out', help='JSON file for the numbers, as fractions')
    return parser.parse_args()


def main() -> None:
    """Evaluate, print the tables, write the numbers."""
    args = parse_args()
    result = evaluate_vocabulary(
        args.gt,
        args.dt,
        base=file_or_split(args.base),
        novel=file_or_split(args.novel),
        iou_types=args.iou_type,
        constrained=args.constrained,
        verified_only=args.verified_only,
    )
    if args.classwise:
        print(format_classes(result.scores, result.classes))
    print(format_groups(result.metrics, args.iou_type))
    if args.out:
        atomic_write_json(args.out, result.metrics, indent=2)


if __name__ == '__main__':
    run_tool(main)
