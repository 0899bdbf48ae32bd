"""Text vectors of classes: ``prepare_text_embeddings.py --vocab coco65 --out FILE``.

Detectors read the file that this writes; only new names need a text encoder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from mmdet_ovis.apis.caption_parsing import caption_word_vocabulary
from mmdet_ovis.apis.text_embeddings import (
    coco_vocabulary,
    import_text_embeddings,
    prepare_text_embeddings,
    write_coco_embeddings,
)
from mmdet_ovis.language.bank_builder import SYNONYM_MODES
from mmdet_ovis.language.coco_embeddings import CLIP_KEY
from mmdet_ovis.language.embedding_bank import NORMALIZATIONS, UNKNOWN
from mmdet_ovis.language.prompts import TEMPLATES
from mmdet_ovis.language.text_encoders import (
    BATCH_SIZE,
    ENCODER_KINDS,
    EncoderChoice,
)
from mmdet_ovis.language.vocabularies import PRESETS, load_vocabulary
from mmdet_ovis.structures.vocabulary import Vocabulary
from mmdet_ovis.utils.cli import run_tool

ENCODER = 'clip'
SYNONYMS = 'average'
OF_ENCODING = ('append', 'cache', 'synonyms', 'encoder')
"""Options that say how vectors are made, or what is done beside that."""

EPILOG = """
examples:
  CLIP vectors of the 65 open-vocabulary classes of COCO, then of two more names:
  python tools/ovis/prepare_text_embeddings.py --vocab coco65 \\
      --out data/text_embeddings/coco_clip-vit-b-32.npz
  python tools/ovis/prepare_text_embeddings.py \\
      --names "traffic cone. stool|bar stool" --append \\
      --out data/text_embeddings/coco_clip-vit-b-32.npz

  Raw vectors, as Mask-free OVIS has them, also into an annotation file for its code:
  python tools/ovis/prepare_text_embeddings.py --norm none \\
      --coco-json instances_train2017_seen.json \\
      --write-coco-json instances_train2017_seen_clipemb.json \\
      --out data/text_embeddings/coco_clip-vit-b-32_raw.npz

  BERT word pieces for CMPL: classes, then names and words of captions; vectors without
  meaning, to try things out:
  python tools/ovis/prepare_text_embeddings.py --vocab coco65 --encoder bert \\
      --out data/text_embeddings/coco-lvis_bert.npz
  python tools/ovis/prepare_text_embeddings.py --encoder bert --append \\
      --words data/coco/annotations/caption_words_train2017.json \\
      --out data/text_embeddings/coco-lvis_bert.npz
  python tools/ovis/prepare_text_embeddings.py --vocab coco65 --encoder hash \\
      --out work_dirs/coco_hash.npz
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Make a text embedding bank: one vector for each class name. '
        'Texts that a bank holds already are not encoded again, and where none is '
        'new, no text encoder is loaded. A model of the hub is downloaded unless it is '
        'in its cache or HF_HUB_OFFLINE=1.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = parser.add_mutually_exclusive_group(required=True)
    names.add_argument(
        '--names',
        metavar='TEXT',
        help='names between full stops or commas, synonyms between bars',
    )
    names.add_argument(
        '--vocab',
        metavar='NAME|FILE',
        help=f'{", ".join(PRESETS)}; or a .txt or .json file',
    )
    names.add_argument(
        '--words',
        type=Path,
        metavar='FILE',
        help='file of tools/cmpl/parse_captions.py: its names and its words (--vocab '
        'takes the names alone)',
    )
    names.add_argument(
        '--coco-json', type=Path, metavar='FILE', help='its categories are the names'
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='FILE', help='.npz file to write'
    )
    parser.add_argument(
        '--encoder', choices=ENCODER_KINDS, help=f'(default: {ENCODER})'
    )
    parser.add_argument(
        '--model',
        default='',
        help='hub name or folder (default: openai/clip-vit-base-patch32 for clip, '
        'bert-base-uncased for bert); for transformers with #mean, #pooled or '
        '#projected; for hash the length of a vector (default: 512)',
    )
    parser.add_argument(
        '--templates',
        metavar='NAME|FILE',
        help=f'{", ".join(TEMPLATES)}, or a text file, one {{}} a line (default: '
        'vild63, for bert none)',
    )
    parser.add_argument(
        '--norm',
        choices=NORMALIZATIONS,
        help='vectors to make unit vectors: those of templates, of classes, both '
        '(default: both, for bert none)',
    )
    parser.add_argument(
        '--synonyms',
        choices=SYNONYM_MODES,
        help='one vector for a name and its synonyms, or for each (default: '
        f'{SYNONYMS})',
    )
    parser.add_argument(
        '--cache', type=Path, metavar='FILE', help='bank whose vectors are used again'
    )
    parser.add_argument(
        '--append', action='store_true', help='keep what the output holds already'
    )
    parser.add_argument(
        '--write-coco-json',
        type=Path,
        metavar='FILE',
        help='write --coco-json with the vectors in its categories',
    )
    parser.add_argument(
        '--import',
        dest='take_from_json',
        action='store_true',
        help='encode nothing, take the vectors that stand in --coco-json; --model, '
        '--templates and --norm say how they were made (default: unknown, and none)',
    )
    parser.add_argument(
        '--key',
        default=CLIP_KEY,
        help='of the vectors in a COCO file: categories[i].embedding[KEY] (default: '
        f'{CLIP_KEY}; CMPL has BertEmb)',
    )
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='of the text encoder (default: cuda if there is one)',
    )
    parser.add_argument(
        '--batch-size', type=int, default=BATCH_SIZE, help=f'(default: {BATCH_SIZE})'
    )
    args = parser.parse_args()
    if (args.write_coco_json or args.take_from_json) and not args.coco_json:
        parser.error('--write-coco-json and --import need --coco-json')
    unused = [name for name in OF_ENCODING if getattr(args, name)]
    if args.take_from_json and unused:
        parser.error(
            f'--import encodes nothing and writes the vectors of --coco-json alone: '
            f'--{unused[0]} has no meaning'
        )
    return args


def read_names(args: argparse.Namespace) -> Vocabulary:
    """Return the vocabulary that the options name."""
    if args.names is not None:
        return Vocabulary.parse(args.names)
    if args.vocab is not None:
        return load_vocabulary(args.vocab)
    if args.words is not None:
        return caption_word_vocabulary(args.words)
    return coco_vocabulary(args.coco_json)


def main() -> None:
    """Make the bank, and say what came of it."""
    args = parse_args()
    if args.take_from_json:
        report = import_text_embeddings(
            args.coco_json,
            args.out,
            args.key,
            args.model or UNKNOWN,
            args.templates,
            args.norm or 'none',
        )
    else:
        report = prepare_text_embeddings(
            read_names(args),
            EncoderChoice(
                args.encoder or ENCODER, args.model, args.device, args.batch_size
            ),
            args.out,
            templates=args.templates,
            normalization=args.norm,
            synonyms=args.synonyms or SYNONYMS,
            cache=args.cache,
            append=args.append,
        )
    print(f'{args.out}: {report}')
    if args.write_coco_json:
        write_coco_embeddings(
            args.coco_json, report.bank, args.write_coco_json, args.key
        )
        print(f'{args.write_coco_json}: with the vectors in its categories')


if __name__ == '__main__':
    run_tool(main)
