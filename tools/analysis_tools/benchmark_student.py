r"""What a training step of a student costs next to one of a plain detector.

Example:
    python tools/analysis_tools/benchmark_student.py \
        configs/cmpl/cmpl_student_r50-c4_70k_ov-coco.py \
        configs/cmpl/cmpl_teacher_r50-c4_90k_ov-coco.py
"""

from __future__ import annotations

import argparse

from terminaltables import AsciiTable

from mmdet_ovis.apis.benchmarks.student import benchmark_student
from mmdet_ovis.apis.running import load_config
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Time training steps of a student of cross-modal pseudo labels on '
        'random images, in turns with those of a plain detector of the same size. '
        'Weights are random.',
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('student', help='config of a student')
    parser.add_argument('plain', help='config of a detector, such as its teacher')
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        default=(320, 320),
        metavar=('HEIGHT', 'WIDTH'),
        help='of the images, px (default: 320 320)',
    )
    parser.add_argument('--batch-size', type=int, default=2, help='images of a step')
    parser.add_argument('--words', type=int, default=4, help='of an image')
    parser.add_argument('--objects', type=int, default=4, help='annotated in an image')
    parser.add_argument('--repeats', type=int, default=3, help='turns; medians count')
    parser.add_argument('--device', default='cpu', help='for example cuda')
    parser.add_argument('--out', help='JSON file to write')
    return parser.parse_args()


def main() -> None:
    """Measure and print a table."""
    args = parse_args()
    result = benchmark_student(
        load_config(args.student),
        load_config(args.plain),
        tuple(args.size),
        args.batch_size,
        args.words,
        args.objects,
        args.repeats,
        args.device,
    )
    rows = [[name, f'{value:.4g}'] for name, value in result.items()]
    print(AsciiTable([['seconds a step, and the ratio', ''], *rows]).table)
    if args.out:
        atomic_write_json(args.out, result, indent=2)


if __name__ == '__main__':
    run_tool(main)
