"""What GradCAM costs next to one pass of the text and fusion stack.

Example:
    python tools/analysis_tools/benchmark_gradcam.py --size base --batch-size 4
"""

from __future__ import annotations

import argparse
import tempfile

from terminaltables import AsciiTable

from mmdet_ovis.apis.benchmarks.gradcam import (
    SIZES,
    benchmark_gradcam,
    write_random_blip,
)
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json
from mmdet_ovis.vlm.blip import BlipMatcher


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Time GradCAM on BLIP for a batch of random images against one '
        'forward and one backward pass of its text and fusion stack, and against one '
        'image at a time with trainable towers.',
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--size', choices=sorted(SIZES), default='small', help='of the random weights'
    )
    parser.add_argument('--model', help='folder or hub name of a BLIP to time instead')
    parser.add_argument('--block', type=int, default=7, help='of the text encoder')
    parser.add_argument('--batch-size', type=int, default=4, help='images at once')
    parser.add_argument('--words', type=int, default=12, help='of a caption')
    parser.add_argument('--repeats', type=int, default=3, help='turns; medians count')
    parser.add_argument('--device', default='cpu', help='for example cuda')
    parser.add_argument('--out', help='JSON file to write')
    return parser.parse_args()


def main() -> None:
    """Measure and print a table."""
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.model is None:
            write_random_blip(folder, args.size)
        model = BlipMatcher(args.model or folder, args.block).to(args.device)
    result = benchmark_gradcam(model, args.batch_size, args.words, args.repeats)
    rows = [[name, f'{value:.4g}'] for name, value in result.items()]
    print(AsciiTable([['seconds a batch, and ratios', ''], *rows]).table)
    if args.out:
        atomic_write_json(args.out, result, indent=2)


if __name__ == '__main__':
    run_tool(main)
