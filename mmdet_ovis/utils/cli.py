"""What the command-line tools share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from mmengine.config import DictAction

TRACEBACK_VARIABLE = 'MMDET_OVIS_TRACEBACK'


def run_tool(main: Callable[[], int | None]) -> None:
    """Run a tool; mistakes of the user end in one line instead of a traceback.

    ``ValueError`` and ``OSError`` (a file that is missing, broken or cannot be
    written, a value that does not fit) are printed as ``error: ...`` and the process
    ends with code 2. Set ``MMDET_OVIS_TRACEBACK=1`` to see where they come from.

    Args:
        main (Callable): The tool; what it returns is the exit code (None is 0).
    """
    try:
        code = main()
    except (ValueError, OSError) as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        message = str(error) or type(error).__name__
        sys.stderr.write(
            f'error: {message}\n({TRACEBACK_VARIABLE}=1 shows the traceback)\n'
        )
        sys.exit(2)
    sys.exit(code or 0)


def add_cfg_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Add ``--cfg-options``.

    Args:
        parser (ArgumentParser): Changed in place.
        example (str): A setting that users of this tool would override.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help=f'override settings of the config, for example {example}',
    )


def add_trust_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add ``--trust-checkpoint``."""
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load checkpoints even if they hold pickled code (only your own files)',
    )


def add_runner_options(parser: argparse.ArgumentParser) -> None:
    """Add what training and testing share: work folder and launcher."""
    parser.add_argument(
        '--work-dir', help='logs and results (default: work_dirs/<config name>)'
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what starts the processes (default: none, one process)',
    )
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS
    )


def add_picture_options(parser: argparse.ArgumentParser) -> None:
    """Add what tools that draw a dataset share: which images, and whether boxes."""
    parser.add_argument(
        '--limit',
        type=int,
        default=20,
        metavar='N',
        help='draw at most N images (default: 20)',
    )
    parser.add_argument(
        '--interval',
        type=int,
        default=1,
        metavar='N',
        help='draw every Nth image (default: 1)',
    )
    parser.add_argument(
        '--image-ids', type=int, nargs='+', metavar='ID', help='draw these images only'
    )
    parser.add_argument('--boxes', action='store_true', help='draw boxes too')


def set_local_rank(local_rank: int | None) -> None:
    """Pass ``--local-rank`` on to mmengine, which reads the environment."""
    os.environ.setdefault('LOCAL_RANK', str(local_rank or 0))
