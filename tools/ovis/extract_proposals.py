"""Proposals of many images in one file: ``extract_proposals.py IMAGES --out OUT``."""

from __future__ import annotations

import argparse

from mmengine.config import Config, ConfigDict, DictAction

from mmdet_ovis.apis.extraction.command_line import add_output_options
from mmdet_ovis.apis.proposal_extraction import PROVIDERS, extract_proposals
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
Repeating a command that was ended goes on where it was. The output is what
FileProposals and proposal_file of a dataset read.

examples:
  python tools/ovis/extract_proposals.py \\
      data/coco/annotations/captions_train2017.json \\
      --images data/coco/train2017 --options top_k=1000 nms_iou=0.9 --workers 16 \\
      --out data/coco/proposals/selective_search_train2017.npz
  python tools/ovis/extract_proposals.py \\
      data/coco/annotations/captions_train2017.json \\
      --images data/coco/train2017 --provider wspn \\
      --options config=configs/ovis/wspn_r50-dc5_90k_coco-captions.py \\
      checkpoint=work_dirs/wspn_r50-dc5_90k_coco-captions/iter_90000.pth \\
      inputs.type=FileProposals inputs.top_k=1000 inputs.nms_iou=None \\
      inputs.file=data/coco/proposals/selective_search_train2017.npz \\
      --out data/coco/proposals/wspn_train2017.npz
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write the class-agnostic proposals of many images into one file: '
        'of selective search, of grouped affinities, of a network, ...',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'annotations',
        metavar='IMAGES',
        help='list of images: a COCO file, or captions (COCO, list, or .jsonl)',
    )
    parser.add_argument(
        '--images', required=True, metavar='DIR', help='folder of the images'
    )
    add_output_options(parser, '.npz to write, or .json for COCO results')
    parser.add_argument(
        '--provider',
        choices=list(PROVIDERS),
        default='selective_search',
        help='who proposes (default: selective_search)',
    )
    parser.add_argument(
        '--options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='arguments of the provider, for example top_k=1000 nms_iou=0.9',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=0,
        metavar='N',
        help='processes; 0, as networks on a GPU need it, is this one (default: 0)',
    )
    return parser.parse_args()


def main() -> None:
    """Extract, and say what came of it."""
    args = parse_args()
    provider = Config(ConfigDict(type=args.provider))
    provider.merge_from_dict(args.options)
    print(
        extract_proposals(
            args.annotations,
            args.images,
            provider.to_dict(),
            args.out,
            workers=args.workers,
            limit=args.limit,
            max_broken=args.max_broken,
            overwrite=args.overwrite,
        )
    )


if __name__ == '__main__':
    run_tool(main)
