"""Masks of caption words: ``extract_pseudo_masks.py CONFIG CHECKPOINT --out FILE``."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.extraction import TeacherNetwork
from mmdet_ovis.apis.extraction.command_line import (
    EXIT_CODES,
    add_extraction_options,
    run_extraction,
)
from mmdet_ovis.utils.cli import run_tool

EPILOG = f"""{EXIT_CODES}
Beside FILE come FILE.summary.json (numbers), FILE.dropped.jsonl (each word of which
nothing was made, and why) and, if images could not be read, FILE.quarantine.jsonl.

examples:
  python tools/cmpl/extract_pseudo_masks.py \\
      configs/cmpl/cmpl_extract_r50-c4_ov-coco.py \\
      work_dirs/cmpl_teacher_r50-c4_90k_ov-coco/iter_90000.pth \\
      --out work_dirs/cmpl_masks/masks.json
  bash tools/dist_run.sh 8 cmpl/extract_pseudo_masks.py \\
      configs/cmpl/cmpl_extract_r50-c4_ov-coco.py \\
      work_dirs/cmpl_teacher_r50-c4_90k_ov-coco/iter_90000.pth \\
      --out work_dirs/cmpl_masks/masks.json --min-score 0.5
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Let the teacher of CMPL find the words of captions, and keep its '
        'masks in a file. The checkpoint is of a teacher, or of a student with its '
        'teacher. Next: tools/ovis/prepare_coco_dataset.py makes a training set of '
        'the result.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_extraction_options(
        parser,
        'weights of a teacher, or of a student and its teacher',
        'cmpl/cmpl_extract_r50-c4_ov-coco.py',
        'model.detector.roi_head.alignment.min_similarity=0.1',
    )
    parser.add_argument(
        '--topk',
        type=int,
        metavar='N',
        help='masks an image, best score first (default: extraction.topk, or all)',
    )
    parser.add_argument(
        '--min-score',
        type=float,
        metavar='S',
        help='keep scores of at least S in [0, 1], where 0.5 is a similarity of 0 '
        '(default: extraction.min_score, or all)',
    )
    parser.add_argument(
        '--min-area',
        type=int,
        metavar='N',
        help='keep masks of at least N pixels (default: extraction.min_area, or 1)',
    )
    return parser.parse_args()


def main() -> int:
    """Extract, and print the summary."""
    return run_extraction(parse_args(), TeacherNetwork)


if __name__ == '__main__':
    run_tool(main)
