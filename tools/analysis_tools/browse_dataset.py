"""Draw what a dataset hands to its model: ``browse_dataset.py CONFIG``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_ovis.apis.browsing import SPLITS, browse_dataset
from mmdet_ovis.utils.cli import add_cfg_options, add_picture_options, run_tool

EPILOG = """
example:
  python tools/analysis_tools/browse_dataset.py \\
      configs/openshapes/class_agn_mask_rcnn_pa.py --limit 8 --boxes
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Draw the images of a dataset as they leave its pipeline, with '
        'ground truth and pseudo masks in different colours; for affinity networks, '
        'with the target beside them. Writes one picture an image; needs no display.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='any config')
    parser.add_argument(
        '--out-dir',
        type=Path,
        metavar='DIR',
        help='where to write (default: work_dirs/browse/<config name>/<split>)',
    )
    parser.add_argument(
        '--split',
        choices=SPLITS,
        default='train',
        help='which dataset of the config (default: train)',
    )
    add_picture_options(parser)
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='of augmentations and random masks (default: 0)',
    )
    add_cfg_options(parser, 'train_dataloader.dataset.top_k=10')
    return parser.parse_args()


def main() -> None:
    """Draw the images, and name each picture."""
    for path in browse_dataset(**vars(parse_args())):
        print(path)


if __name__ == '__main__':
    run_tool(main)
