"""Word pieces of captions: ``make_word_pieces.py CAPTIONS --out vocab.txt``."""

from __future__ import annotations

import argparse

from mmdet_ovis.datasets.captions import iter_captioned_images
from mmdet_ovis.language.plurals import pluralize
from mmdet_ovis.language.vocabularies import load_vocabulary
from mmdet_ovis.language.word_pieces import write_word_pieces
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
example:
  python tools/ovis/make_word_pieces.py \\
      data/openshapes_ovis/annotations/captions_train.json \\
      --vocab data/openshapes_ovis/annotations/instances_train.json \\
      --out work_dirs/demo-ovis/word_pieces.txt
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='List the words of captions for the tokenizer of a small '
        'image-text model (configs/openshapes/image_text.py).',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('captions', help='COCO captions, or a list of them')
    parser.add_argument(
        '--vocab',
        help='names that are pieces in any case, with their plurals: a preset, .txt or '
        '.json',
    )
    parser.add_argument('--out', required=True, metavar='FILE', help='.txt to write')
    return parser.parse_args()


def main() -> None:
    """Write the pieces."""
    args = parse_args()
    texts = [
        caption
        for image in iter_captioned_images(args.captions)
        for caption in image.captions
    ]
    names = load_vocabulary(args.vocab).names if args.vocab else ()
    texts += [form for name in names for form in (name, pluralize(name))]
    print(f'{args.out}: {write_word_pieces(args.out, texts)} word pieces')


if __name__ == '__main__':
    run_tool(main)
