"""What the command lines of jobs that fill a store have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from ...pseudo_labels import OutputInUseError, Shard, SignatureMismatchError
from ...pseudo_labels.quarantine import ALWAYS_TOLERATED, DEFAULT_MAX_BROKEN
from ...pseudo_labels.store import CHUNK_SIZE
from ...utils.cli import add_cfg_options, add_trust_checkpoint
from .collecting import no_progress
from .extract import extract_pseudo_labels
from .launch import LAUNCHERS, Place
from .networks import AffinityNetwork, EvidenceNetwork
from .summary import ExtractionSummary

EXIT_CODES = """
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
"""
"""For the end of ``--help``."""
_SIGNATURE = 3
_IN_USE = 4
_INTERRUPTED = 75


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """Add what all jobs that fill a store take: output, images, processes."""
    add_output_options(parser)
    add_process_options(parser)


def add_output_options(
    parser: argparse.ArgumentParser, what: str = 'JSON file to write'
) -> None:
    """Add where results go, of which images, and what may be wrong with those.

    Args:
        parser (ArgumentParser): Changed in place.
        what (str): What ``--out`` is.
    """
    parser.add_argument('--out', required=True, metavar='FILE', help=what)
    parser.add_argument(
        '--limit', type=int, metavar='N', help='process the first N images only'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='start over instead of resuming'
    )
    parser.add_argument(
        '--max-broken',
        type=float,
        metavar='SHARE',
        help='fail when more than this share of the images cannot be processed '
        f'(default: {DEFAULT_MAX_BROKEN}, and up to {ALWAYS_TOLERATED} images in a '
        'small dataset)',
    )


def add_process_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides which process does what, and where."""
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help='processes beside the one with the network; 0: none (default: cores of '
        'this process - 1, at most 8)',
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


def add_extraction_options(
    parser: argparse.ArgumentParser, weights: str, example: str, option: str
) -> None:
    """Add what extractions have in common, whatever network they ask.

    Args:
        parser (ArgumentParser): Changed in place.
        weights (str): What the checkpoint is.
        example (str): A config.
        option (str): A setting of it that users would override.
    """
    parser.add_argument('config', help=f'config, such as {example}')
    parser.add_argument('checkpoint', help=weights)
    add_job_options(parser)
    parser.add_argument(
        '--use-gt-masks',
        type=int,
        choices=[0, 1],
        default=1,
        help='compare with the masks of seen classes and store gt_iou (default: 1)',
    )
    parser.add_argument(
        '--ann-dir',
        metavar='FOLDER',
        help='when all is done, write {image_id}.json for each image here as well',
    )
    add_cfg_options(parser, option)
    add_trust_checkpoint(parser)


def run_extraction(
    args: argparse.Namespace, network: type[EvidenceNetwork] = AffinityNetwork
) -> int:
    """Run the share of this process of an extraction, and print the summary.

    Args:
        args (Namespace): Options of :func:`add_extraction_options`, and arguments of
            the source.
        network (type[EvidenceNetwork]): What looks at the images.

    Returns:
        int: The exit code.
    """
    given = {**vars(args), 'use_gt_masks': bool(args.use_gt_masks)}
    return run_job(partial(extract_pseudo_labels, network=network), given)


def run_job(job: Callable[..., ExtractionSummary], args: dict[str, Any]) -> int:
    """Run the share of this process of a job, and print the summary.

    Args:
        job (Callable): Takes ``shard``, ``device``, ``workers``, maybe ``progress``,
            and the other arguments.
        args (dict): As parsed, those of :func:`add_process_options` among them.

    Returns:
        int: The exit code.
    """
    place = Place.of(args.pop('launcher'))
    shard = Shard(args.pop('shard_id'), args.pop('num_shards'))
    args['device'] = args['device'] or place.device
    if args['workers'] is None:
        args['workers'] = place.workers
    if place.rank:
        args['progress'] = no_progress  # the first process stands for all
    try:
        summary = job(shard=shard.part(place.rank, place.world_size), **args)
    except SignatureMismatchError as error:
        sys.stderr.write(f'error: {error}\n')
        return _SIGNATURE
    except OutputInUseError as error:
        sys.stderr.write(f'error: {error}\n')
        return _IN_USE
    except KeyboardInterrupt as error:
        sys.stderr.write(f'{error or "interrupted"}\n')
        return _INTERRUPTED
    sys.stdout.write(f'{summary.table()}\n')
    return 0
