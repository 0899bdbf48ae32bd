"""What generation costs next to the same done plainly.

Example:
    python tools/analysis_tools/benchmark_generation.py --size small --images 4
"""

from __future__ import annotations

import argparse
import tempfile

from terminaltables import AsciiTable

from mmdet_ovis.apis.benchmarks.generation import PLAIN_SIDE, benchmark_generation
from mmdet_ovis.apis.benchmarks.gradcam import SIZES, write_random_blip
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Time generation (BLIP with random weights, selective search, the '
        'default preset) side by side with one image, one word, one full backward pass '
        'and one network of a full-size crop at a time.',
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--size', choices=sorted(SIZES), default='small', help='of the random BLIP'
    )
    parser.add_argument('--images', type=int, default=4, help='how many')
    parser.add_argument(
        '--workers', type=int, default=2, help='processes of the generation'
    )
    parser.add_argument(
        '--plain-side',
        type=int,
        default=PLAIN_SIDE,
        metavar='PX',
        help='longer side of the crops that the plain way cuts out (default: '
        '%(default)s; generation shrinks them to 64)',
    )
    parser.add_argument('--out', help='JSON file to write')
    return parser.parse_args()


def main() -> None:
    """Measure and print a table."""
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_random_blip(f'{folder}/blip', args.size)
        result = benchmark_generation(
            folder,
            f'{folder}/blip',
            args.images,
            args.workers,
            plain_side=args.plain_side,
        )
    steps = list(result['generation'])
    rows = [
        [step, *(_format(result[way].get(step)) for way in ('generation', 'plain'))]
        for step in steps
    ]
    print(AsciiTable([['seconds an image', 'generation', 'plain'], *rows]).table)
    print(f'plain / generation: {result["ratio"]["total"]:.1f}')
    if args.out:
        atomic_write_json(args.out, result, indent=2)


def _format(seconds: float | None) -> str:
    return '-' if seconds is None else f'{seconds:.3f}'


if __name__ == '__main__':
    run_tool(main)
