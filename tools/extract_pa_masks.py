"""Extract pseudo masks: ``extract_pa_masks.py CONFIG CHECKPOINT --out masks.json``."""

from __future__ import annotations

import argparse
import sys

from mmdet_ovis.apis.extraction import extract_pseudo_labels
from mmdet_ovis.pseudo_labels import SignatureMismatchError
from mmdet_ovis.utils.cli import add_cfg_options, add_trust_checkpoint, run_tool

EPILOG = """
Repeating the same command resumes it. Exit codes: 0 complete; 2 wrong input, or too
many images could not be processed; 3 the output belongs to a run with other settings;
75 interrupted (repeat the command to resume).

example:
  python tools/extract_pa_masks.py configs/pairwise_affinity/pa_extract.py \\
      work_dirs/pa_train/epoch_20.pth --out work_dirs/pa_masks/masks.json --workers 8
"""
EXIT_SIGNATURE = 3
EXIT_INTERRUPTED = 75


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
        '--out', required=True, metavar='FILE', help='JSON file to write'
    )
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
        '--limit', type=int, metavar='N', help='process the first N images only'
    )
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help='processes for grouping; 0: none (default: cores - 1, at most 8)',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='start over instead of resuming'
    )
    parser.add_argument(
        '--max-broken',
        type=float,
        metavar='SHARE',
        help='fail when more than this share of the images cannot be processed '
        '(default: 0.05, and up to 10 images in a small dataset)',
    )
    parser.add_argument(
        '--device', help='where the network runs, such as cuda:0 or cpu'
    )
    add_cfg_options(parser, 'pa_to_masks.use_globalization=0')
    add_trust_checkpoint(parser)
    return parser.parse_args()


def main() -> int:
    """Extract, and print the summary."""
    args = vars(parse_args())
    try:
        args['use_gt_masks'] = bool(args['use_gt_masks'])
        summary = extract_pseudo_labels(**args)
    except SignatureMismatchError as error:
        sys.stderr.write(f'error: {error}\n')
        return EXIT_SIGNATURE
    except KeyboardInterrupt as error:
        sys.stderr.write(f'{error or "interrupted"}\n')
        return EXIT_INTERRUPTED
    print(summary.table())
    return 0


if __name__ == '__main__':
    run_tool(main)
