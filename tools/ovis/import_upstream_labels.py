"""Pseudo labels of the original's code: ``import_upstream_labels.py FOLDER``."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.coco_preparation import read_reference
from mmdet_ovis.pseudo_labels.upstream_labels import import_upstream_labels
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
example:
  python tools/ovis/import_upstream_labels.py pseudo_label_output/pseudo_labels \\
      --ref data/coco/annotations/captions_train2017.json \\
      --out work_dirs/upstream/masks.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Read the pickles *_pseudo_label.pkl that the original Mask-free '
        'OVIS writes, without unpickling, and write them as generate_pseudo_masks.py '
        'does, for prepare_coco_dataset.py and all other tools.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('folder', help='where the pickles are')
    parser.add_argument(
        '--ref',
        required=True,
        metavar='FILE',
        help='images: a COCO file, or captions (COCO, list, or .jsonl)',
    )
    parser.add_argument(
        '--images', metavar='DIR', help='image folder, where REF does not tell sizes'
    )
    parser.add_argument(
        '--out', required=True, metavar='FILE', help='JSON file to write'
    )
    return parser.parse_args()


def main() -> None:
    """Import the labels, and say what came of it."""
    args = parse_args()
    reference = read_reference(args.ref, args.images)
    print(import_upstream_labels(args.folder, reference, args.out))


if __name__ == '__main__':
    run_tool(main)
