"""COCO's 48 base and 17 novel classes as files that hold their text vectors.

``construct_coco_annotations.py ANN_FILE ... --embeddings BANK --out-dir DIR``
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet_ovis.datasets.converters import class_lists, convert_ov_split
from mmdet_ovis.datasets.converters.ov_split import SEEN_NAMES
from mmdet_ovis.language.coco_embeddings import BERT_KEY
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.utils.class_lists import file_or_split
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
example:
  python tools/ovis/prepare_text_embeddings.py --vocab coco65 --encoder bert \\
      --out data/text_embeddings/coco_bert.npz
  python tools/cmpl/construct_coco_annotations.py \\
      data/coco/annotations/instances_train2017.json \\
      data/coco/annotations/instances_val2017.json \\
      --embeddings data/text_embeddings/coco_bert.npz \\
      --out-dir data/coco/zero-shot --seen-unseen
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Split COCO files into base and novel classes, with a text vector '
        'in each category (categories[i].embedding[KEY]), for the code of OVR-CNN and '
        'CMPL. The configs of this project read the files as they are, and vectors '
        'from a bank.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'ann_files',
        nargs='+',
        metavar='ANN_FILE',
        help='COCO file with the objects of all classes',
    )
    parser.add_argument(
        '--embeddings',
        required=True,
        metavar='FILE',
        help='.npz of tools/ovis/prepare_text_embeddings.py with all these classes',
    )
    parser.add_argument(
        '--key', default=BERT_KEY, help=f'of the vectors (default: {BERT_KEY})'
    )
    parser.add_argument(
        '--out-dir', type=Path, required=True, metavar='DIR', help='folder to write to'
    )
    parser.add_argument(
        '--splits',
        nargs='+',
        choices=class_lists.SPLITS,
        default=class_lists.SPLITS,
        help='what to write (default: all three)',
    )
    parser.add_argument(
        '--seen-unseen',
        action='store_true',
        help='call the splits seen and unseen, in the files and their names, as the '
        'original does',
    )
    parser.add_argument(
        '--base',
        metavar='LIST',
        help='file with a base class a line, or a split (default: the 48 of COCO)',
    )
    parser.add_argument(
        '--novel', metavar='LIST', help='the same for novel classes (default: the 17)'
    )
    return parser.parse_args()


def check_names(ann_files: Sequence[str]) -> None:
    """Refuse files whose results would have one name."""
    files: dict[str, str] = {}
    for file in ann_files:
        stem = Path(file).stem
        if stem in files:
            raise ValueError(
                f'the results of {files[stem]} and {file} would have the same names; '
                'convert them one by one, each with an --out-dir of its own'
            )
        files[stem] = file


def main() -> None:
    """Write the files, and say what came of it."""
    args = parse_args()
    check_names(args.ann_files)
    bank = TextEmbeddingBank.load(args.embeddings)
    for ann_file in args.ann_files:
        for summary in convert_ov_split(
            ann_file,
            args.out_dir,
            args.splits,
            file_or_split(args.base),
            file_or_split(args.novel),
            bank=bank,
            key=args.key,
            names=SEEN_NAMES if args.seen_unseen else {},
        ):
            print(summary)


if __name__ == '__main__':
    run_tool(main)
