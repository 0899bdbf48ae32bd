"""Average recall of a COCO results file on the classes of a split.

Example:
    python tools/analysis_tools/eval_ar.py --gt instances_val2017.json \
        --dt results.segm.json --eval-class nonvoc --iou-type segm --out metrics.json
"""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.evaluation import evaluate_recall
from mmdet_ovis.evaluation.functional.open_world_recall import MAX_DETS, PROTOCOLS
from mmdet_ovis.evaluation.open_world import format_table
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Class-agnostic AR, AP and F1 of detections or pseudo labels.'
    )
    parser.add_argument('--gt', required=True, help='COCO annotation file')
    parser.add_argument(
        '--dt',
        required=True,
        help='COCO results, extracted masks, or annotations with scores',
    )
    parser.add_argument(
        '--eval-class',
        nargs='+',
        default=['all'],
        help='split to score (all, nonvoc, not:person, ...), or several class names',
    )
    parser.add_argument(
        '--seen-class',
        nargs='+',
        help='split of the seen_ numbers; default: all other classes',
    )
    parser.add_argument(
        '--iou-type', nargs='+', choices=['bbox', 'segm'], default=['segm']
    )
    parser.add_argument('--protocol', choices=PROTOCOLS, default='xclass')
    parser.add_argument('--max-dets', nargs='+', type=int, default=MAX_DETS)
    parser.add_argument('--out', help='JSON file for the numbers, as fractions')
    return parser.parse_args()


def main() -> None:
    """Evaluate, print the table, write the numbers."""
    args = parse_args()
    metrics = evaluate_recall(
        args.gt,
        args.dt,
        eval_class=_split(args.eval_class),
        seen_class=_split(args.seen_class),
        iou_types=args.iou_type,
        protocol=args.protocol,
        max_dets=args.max_dets,
    )
    print(format_table(metrics, args.iou_type))
    if args.out:
        atomic_write_json(args.out, metrics, indent=2)


def _split(names: list[str] | None) -> str | list[str] | None:
    """One word is the name of a split or class, several are class names."""
    return names[0] if names and len(names) == 1 else names


if __name__ == '__main__':
    run_tool(main)
