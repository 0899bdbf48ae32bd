"""Kill extractions at random moments and see what becomes of them.

Every killed call is repeated until its output is complete, which must then be the same
to the byte as that of an undisturbed call, with nothing else left on disk.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_ovis.apis.extraction.kills import kill_extractions, make_tiny_extraction
from mmdet_ovis.pseudo_labels.store import CHUNK_SIZE
from mmdet_ovis.utils.cli import add_cfg_options, add_trust_checkpoint, run_tool

TINY_CONFIG = Path(__file__).resolve().parents[2] / 'configs/openshapes/pa_extract.py'
EPILOG = """
Without a config, 128 small images are generated and the network has random weights.

example:
  python tools/analysis_tools/kill_extraction.py --kills 50 --work-dir work_dirs/kills
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Kill extractions with SIGKILL at random moments, resume them, and '
        'compare their outputs with that of an undisturbed one.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', nargs='?', help='config of an extraction')
    parser.add_argument('checkpoint', nargs='?', help='weights for it')
    parser.add_argument(
        '--work-dir',
        default='work_dirs/kill_extraction',
        help='folder for the outputs (default: %(default)s)',
    )
    parser.add_argument(
        '--kills', type=int, default=50, help='how often (default: %(default)s)'
    )
    parser.add_argument(
        '--workers',
        type=int,
        nargs='+',
        default=[0, 1, 2],
        metavar='N',
        help='numbers of workers, one of which every call draws (default: 0 1 2)',
    )
    parser.add_argument('--limit', type=int, metavar='N', help='the first N images')
    parser.add_argument(
        '--chunk-size',
        type=int,
        default=CHUNK_SIZE,
        metavar='N',
        help='images between two writes (default: %(default)s)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the moments (default: %(default)s)'
    )
    add_cfg_options(parser, 'pa_to_masks.use_globalization=0')
    add_trust_checkpoint(parser)
    args = parser.parse_args()
    if args.config and not args.checkpoint:
        parser.error('a config needs a checkpoint')
    return args


def main() -> int:
    """Kill, and print what became of it; 1 if an output differs."""
    args = parse_args()
    if args.config is None:
        extraction = make_tiny_extraction(TINY_CONFIG, args.work_dir)
    else:
        extraction = {
            'config': args.config,
            'checkpoint': args.checkpoint,
            'cfg_options': args.cfg_options,
            'limit': args.limit,
            'chunk_size': args.chunk_size,
            'trust_checkpoint': args.trust_checkpoint,
        }
    report = kill_extractions(
        extraction, args.work_dir, args.kills, args.workers, args.seed
    )
    print(report.table())
    return 0 if report.identical else 1


if __name__ == '__main__':
    run_tool(main)
