"""Group photographs and draw what comes out: ``image_demo.py IMAGE --pa CKPT``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_ovis.apis.image_demo import group_images
from mmdet_ovis.utils.cli import add_cfg_options, add_trust_checkpoint, run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Group photographs by pairwise affinity. For each image a picture '
        '(image, affinity, partition, top masks) and a JSON file with the masks '
        'are written.'
    )
    parser.add_argument('images', nargs='+', type=Path, help='images or folders')
    parser.add_argument(
        '--pa',
        required=True,
        type=Path,
        help='checkpoint of a pairwise affinity network',
    )
    parser.add_argument(
        '--config',
        type=Path,
        help='its config (default: the one beside the checkpoint)',
    )
    parser.add_argument(
        '--out-dir',
        type=Path,
        default=Path('work_dirs/image_demo'),
        help='where to write',
    )
    parser.add_argument('--topk', type=int, default=10, help='masks to draw and write')
    parser.add_argument('--device', help='for example cpu or cuda:0')
    add_cfg_options(parser, 'pa_to_masks.use_globalization=0')
    add_trust_checkpoint(parser)
    return parser.parse_args()


def main() -> None:
    """Draw every image."""
    args = parse_args()
    for path in group_images(
        args.images,
        checkpoint=args.pa,
        config=args.config,
        out_dir=args.out_dir,
        topk=args.topk,
        device=args.device,
        cfg_options=args.cfg_options,
        trust_checkpoint=args.trust_checkpoint,
    ):
        print(path)


if __name__ == '__main__':
    run_tool(main)
