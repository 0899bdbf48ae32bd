"""Extract pseudo masks: ``extract_pa_masks.py CONFIG CHECKPOINT --out masks.json``."""

from __future__ import annotations

import argparse
import sys

from mmdet_ovis.apis.extraction import extract_pseudo_labels
from mmdet_ovis.apis.extraction.launch import LAUNCHERS, Place
from mmdet_ovis.apis.extraction.loop import no_progress
from mmdet_ovis.pseudo_labels import OutputInUseError, Shard, SignatureMismatchError
from mmdet_ovis.pseudo_labels.store import CHUNK_SIZE
from mmdet_ovis.utils.cli import add_cfg_options, add_trust_checkpoint, run_tool

EPILOG = """
Repeating the same command resumes it. Several processes may share one output, on one
machine or on many: each takes a shard (--num-shards and --shard-id, or --launcher), and
who comes last writes the output.

exit codes:
  0   complete, or this shard is done and others are not
  2   wrong input, too many images that cannot be processed, a disk that is full; the
      message says which
  3   the output belongs to a run with other settings
  4   another process is at work on the same shard or output
  75  interrupted (repeat the command to resume)

examples:
  python tools/extract_pa_masks.py configs/pairwise_affinity/pa_extract.py \\
      work_dirs/pa_train/epoch_20.pth --out work_dirs/pa_masks/masks.json --workers 8
  bash tools/dist_extract.sh configs/pairwise_affinity/pa_extract.py \\
      work_dirs/pa_train/epoch_20.pth 8 --out work_dirs/pa_masks/masks.json
"""
EXIT_SIGNATURE = 3
EXIT_IN_USE = 4
EXIT_INTERRUPTED = 75


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Extract pseudo masks from predicted pairwise affinities.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'config', help='config, such as pairwise_affinity/pa_extract.py'
    )
    parser.add_argument('checkpoint', help='weights of the affinity network')
    parser.add_argument(
        '--out', required=True, metavar='FILE', help='JSON file to write'
    )
    parser.add_argument(
        '--use-gt-masks',
        type=int,
        choices=[0, 1],
        default=1,
        help='compare with the masks of seen classes and store gt_iou (default: 1)',
    )
    parser.add_argument(
        '--topk', type=int, help='masks an image (default: extraction.topk, or 20)'
    )
    parser.add_argument(
        '--rescale',
        action=argparse.BooleanOptionalAction,
        help='masks at the size of the original images, not of the network input '
        '(default: extraction.rescale, or yes)',
    )
    parser.add_argument(
        '--ann-dir',
        metavar='FOLDER',
        help='when all is done, write {image_id}.json for each image here as well',
    )
    parser.add_argument(
        '--limit', type=int, metavar='N', help='process the first N images only'
    )
    add_process_options(parser)
    parser.add_argument(
        '--overwrite', action='store_true', help='start over instead of resuming'
    )
    parser.add_argument(
        '--max-broken',
        type=float,
        metavar='SHARE',
        help='fail when more than this share of the images cannot be processed '
        '(default: 0.05, and up to 10 images in a small dataset)',
    )
    add_cfg_options(parser, 'pa_to_masks.use_globalization=0')
    add_trust_checkpoint(parser)
    return parser.parse_args()


def add_process_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides which process does what, and where."""
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help='processes for grouping; 0: none (default: cores of this process - 1, at '
        'most 8)',
    )
    parser.add_argument(
        '--device',
        help='where the network runs, such as cuda:0 or cpu (default: the GPU, with a '
        'launcher one for each process)',
    )
    parser.add_argument(
        '--num-shards',
        type=int,
        default=1,
        metavar='N',
        help='divide the images into N shards',
    )
    parser.add_argument(
        '--shard-id',
        type=int,
        default=0,
        metavar='I',
        help='process shard I only, counted from 0',
    )
    parser.add_argument(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='what has started this process; the processes of a launcher divide the '
        'images, or the shard, among them (default: none)',
    )
    parser.add_argument(
        '--chunk-size',
        type=int,
        default=CHUNK_SIZE,
        metavar='N',
        help=f'images between two writes, and the grain of shards; one for all '
        f'processes of a run (default: {CHUNK_SIZE})',
    )


def main() -> int:
    """Extract, and print the summary."""
    args = vars(parse_args())
    place = Place.of(args.pop('launcher'))
    shard = Shard(args.pop('shard_id'), args.pop('num_shards'))
    args['use_gt_masks'] = bool(args['use_gt_masks'])
    args['device'] = args['device'] or place.device
    if args['workers'] is None:
        args['workers'] = place.workers
    if place.rank:
        args['progress'] = no_progress  # the first process stands for all
    try:
        summary = extract_pseudo_labels(
            shard=shard.part(place.rank, place.world_size), **args
        )
    except SignatureMismatchError as error:
        sys.stderr.write(f'error: {error}\n')
        return EXIT_SIGNATURE
    except OutputInUseError as error:
        sys.stderr.write(f'error: {error}\n')
        return EXIT_IN_USE
    except KeyboardInterrupt as error:
        sys.stderr.write(f'{error or "interrupted"}\n')
        return EXIT_INTERRUPTED
    print(summary.table())
    return 0


if __name__ == '__main__':
    run_tool(main)
