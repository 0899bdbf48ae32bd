"""Extract pseudo masks: ``extract_pa_masks.py CONFIG CHECKPOINT --out masks.json``."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.extraction import extract_pseudo_labels
from mmdet_ovis.apis.extraction.command_line import (
    EXIT_CODES,
    add_job_options,
    run_job,
)
from mmdet_ovis.utils.cli import add_cfg_options, add_trust_checkpoint, run_tool

EPILOG = f"""{EXIT_CODES}
examples:
  python tools/extract_pa_masks.py configs/pairwise_affinity/pa_extract.py \\
      work_dirs/pa_train/epoch_20.pth --out work_dirs/pa_masks/masks.json --workers 8
  bash tools/dist_extract.sh configs/pairwise_affinity/pa_extract.py \\
      work_dirs/pa_train/epoch_20.pth 8 --out work_dirs/pa_masks/masks.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Extract pseudo masks from predicted pairwise affinities.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'config', help='config, such as pairwise_affinity/pa_extract.py'
    )
    parser.add_argument('checkpoint', help='weights of the affinity network')
    parser.add_argument(
        '--use-gt-masks',
        type=int,
        choices=[0, 1],
        default=1,
        help='compare with the masks of seen classes and store gt_iou (default: 1)',
    )
    parser.add_argument(
        '--topk', type=int, help='masks an image (default: extraction.topk, or 20)'
    )
    parser.add_argument(
        '--rescale',
        action=argparse.BooleanOptionalAction,
        help='masks at the size of the original images, not of the network input '
        '(default: extraction.rescale, or yes)',
    )
    parser.add_argument(
        '--ann-dir',
        metavar='FOLDER',
        help='when all is done, write {image_id}.json for each image here as well',
    )
    add_job_options(parser)
    add_cfg_options(parser, 'pa_to_masks.use_globalization=0')
    add_trust_checkpoint(parser)
    return parser.parse_args()


def main() -> int:
    """Extract, and print the summary."""
    args = vars(parse_args())
    args['use_gt_masks'] = bool(args['use_gt_masks'])
    return run_job(extract_pseudo_labels, args)


if __name__ == '__main__':
    run_tool(main)
