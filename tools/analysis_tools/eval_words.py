"""How well words are found: ``eval_words.py CONFIG --gt instances.json``."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.word_quality import measure_words, words_table
from mmdet_ovis.utils.cli import add_cfg_options, run_tool
from mmdet_ovis.utils.io import atomic_write_json

EPILOG = """
example:
  python tools/analysis_tools/eval_words.py configs/openshapes/ovis_generate.py \\
      --gt data/openshapes/annotations/instances_train.json \\
      --masks work_dirs/demo-ovis/masks/masks.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Play the pointing game with the words of captions (does the map '
        'of a word peak on an object of its class?), and compare pseudo masks with '
        'objects of their class.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config of generate_pseudo_masks.py')
    parser.add_argument(
        '--gt', required=True, metavar='FILE', help='COCO file with masks'
    )
    parser.add_argument(
        '--masks', metavar='FILE', help='pseudo masks with words, to be compared'
    )
    parser.add_argument('--out', metavar='FILE', help='JSON file for the numbers')
    parser.add_argument(
        '--limit', type=int, metavar='N', help='play with the first N images only'
    )
    parser.add_argument(
        '--tolerance',
        type=int,
        default=0,
        metavar='PX',
        help='how far from the object a peak may be (default: 0)',
    )
    parser.add_argument('--device', help='for example cpu or cuda:0')
    add_cfg_options(parser, 'vlm.block=7')
    return parser.parse_args()


def main() -> None:
    """Measure, print and maybe write the numbers."""
    args = parse_args()
    result = measure_words(
        args.config,
        args.gt,
        args.masks,
        args.cfg_options,
        args.limit,
        args.tolerance,
        args.device,
    )
    if args.out:
        atomic_write_json(args.out, result, indent=2)
    print(words_table(result))


if __name__ == '__main__':
    run_tool(main)
