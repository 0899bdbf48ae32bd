"""Extract pseudo masks: ``extract_pa_masks.py CONFIG CHECKPOINT --out masks.json``."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.extraction.command_line import (
    EXIT_CODES,
    add_extraction_options,
    run_extraction,
)
from mmdet_ovis.utils.cli import run_tool

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
    add_extraction_options(
        parser,
        'weights of the affinity network',
        'pairwise_affinity/pa_extract.py',
        'pa_to_masks.use_globalization=0',
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
    return parser.parse_args()


def main() -> int:
    """Extract, and print the summary."""
    return run_extraction(parse_args())


if __name__ == '__main__':
    run_tool(main)
