"""Masks of the words of captions: ``generate_pseudo_masks.py CONFIG --out FILE``."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.extraction.command_line import (
    EXIT_CODES,
    add_job_options,
    run_job,
)
from mmdet_ovis.apis.generation import generate_pseudo_masks
from mmdet_ovis.utils.cli import add_cfg_options, run_tool

EPILOG = f"""{EXIT_CODES}
Beside FILE come FILE.summary.json (numbers), FILE.dropped.jsonl (each word of which
nothing was made, and why) and, if images could not be read, FILE.quarantine.jsonl.

examples:
  python tools/ovis/generate_pseudo_masks.py configs/ovis/generate_blip_pa_coco.py \\
      --out work_dirs/ovis_masks/masks.json --workers 8
  your own images and words, with selective search in place of affinity:
  python tools/ovis/generate_pseudo_masks.py configs/ovis/generate_blip_ss_coco.py \\
      --out work_dirs/mine/masks.json --cfg-options vocabulary=words.txt \\
      captions.ann_file=captions.jsonl captions.img_dir=images
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Find the words of captions in their images with a '
        'vision-language model, choose a proposal for each, and cut the object out. '
        'Next: tools/ovis/prepare_coco_dataset.py makes a training set of the result.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config, such as ovis/generate_blip_pa_coco.py')
    add_job_options(parser)
    add_cfg_options(parser, 'search.rounds=1 source.min_box_conf=0.5')
    return parser.parse_args()


def main() -> int:
    """Generate, and print the summary."""
    return run_job(generate_pseudo_masks, vars(parse_args()))


if __name__ == '__main__':
    run_tool(main)
