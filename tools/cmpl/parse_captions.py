"""Words of captions: ``parse_captions.py CAPTIONS --vocab lvis_v1_train.json --out F``.

Datasets with captions read the file that this writes (``words_file``).
"""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.caption_parsing import parse_captions
from mmdet_ovis.language.caption_words import MODES
from mmdet_ovis.language.lemmas import LEMMATIZERS
from mmdet_ovis.language.vocabularies import PRESETS, load_vocabulary
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
examples:
  python tools/cmpl/parse_captions.py data/coco/annotations/captions_train2017.json \\
      --vocab data/lvis_v1/annotations/lvis_v1_train.json --class-names coco65 \\
      --workers 8 --out data/coco/annotations/caption_words_train2017.json
  python tools/cmpl/parse_captions.py data/coco/annotations/captions_train2017.json \\
      --vocab data/lvis_v1/annotations/lvis_v1_train.json --mode parity \\
      --backend spacy --out data/coco/annotations/caption_words_parity_train2017.json
  python tools/cmpl/parse_captions.py data/openshapes/annotations/captions_train.json \\
      --vocab data/openshapes/annotations/instances_train.json \\
      --out data/openshapes/annotations/caption_words_train.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Find the words of a vocabulary in the captions of images, for '
        'cross-modal pseudo-labels.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'captions',
        help='COCO captions, a list (.json, .jsonl) of images with captions, or the '
        'index file of Conceptual Captions (train_index.json, beside it '
        'train_caption.json)',
    )
    parser.add_argument(
        '--vocab',
        required=True,
        metavar='NAME|FILE',
        help=f'{", ".join(PRESETS)}; or a .txt or .json file, such as the annotations '
        'of LVIS, whose categories have the synonyms that the preset lvis lacks',
    )
    parser.add_argument('--out', required=True, metavar='FILE', help='.json to write')
    parser.add_argument(
        '--mode',
        choices=MODES,
        default='fixed',
        help='fixed: longest names, no verbs, aliases, the first meaning; parity: as '
        'CMPL, any base form of a name, the last meaning (default: fixed)',
    )
    parser.add_argument(
        '--backend',
        choices=tuple(LEMMATIZERS),
        default='simple',
        help='what knows base forms and parts of speech; spacy is optional (default: '
        'simple)',
    )
    parser.add_argument(
        '--class-names',
        metavar='NAME|FILE',
        help='vocabulary of the data set: what it has as well gets its name (LVIS says '
        'sofa, COCO couch), so that training and test share one text',
    )
    parser.add_argument(
        '--workers', type=int, default=0, help='processes; 0 works in this one'
    )
    return parser.parse_args()


def main() -> None:
    """Write the words, and say what came of it."""
    args = parse_args()
    vocabularies = [name for name in (args.vocab, args.class_names) if name]
    classes = load_vocabulary(args.class_names).names if args.class_names else ()
    report = parse_captions(
        args.captions,
        load_vocabulary(args.vocab),
        args.out,
        mode=args.mode,
        backend=args.backend,
        classes=classes,
        workers=args.workers,
        sources=[name for name in vocabularies if name not in PRESETS],
    )
    print(report)


if __name__ == '__main__':
    run_tool(main)
