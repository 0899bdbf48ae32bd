"""Cut a COCO annotation file into a training and a validation part."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_ovis.datasets.holdout import split_by_image
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.coco import load_coco
from mmdet_ovis.utils.io import atomic_write_json


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Hold out every n-th image (sorted by id) of a COCO file.'
    )
    parser.add_argument('ann_file', type=Path, help='COCO annotation file')
    parser.add_argument('--out-train', type=Path, required=True, help='file to write')
    parser.add_argument('--out-val', type=Path, required=True, help='file to write')
    parser.add_argument(
        '--every', type=int, default=5, help='n; the default 5 holds out 20 %%'
    )
    return parser.parse_args()


def main() -> None:
    """Split and write both parts."""
    args = parse_args()
    parts = split_by_image(load_coco(args.ann_file).dataset, args.every)
    for path, part in zip((args.out_train, args.out_val), parts, strict=True):
        atomic_write_json(path, part)
        print(f'{path}: {len(part["images"])} images')


if __name__ == '__main__':
    run_tool(main)
