"""How long the crops of pseudo masks take, and how good the masks are.

Examples:
    python tools/analysis_tools/benchmark_crop_segmentation.py --discs 12
    python tools/analysis_tools/benchmark_crop_segmentation.py --compat \
        --options width=64 max_side=128
"""

from __future__ import annotations

import argparse

from mmengine.config import DictAction
from terminaltables import AsciiTable

from mmdet_ovis.apis.benchmarks.crop_segmentation import (
    benchmark_batching,
    benchmark_segmenter,
    make_discs,
)
from mmdet_ovis.pseudo_labels.crop_segmentation import (
    ClusteringSegmenter,
    CompatClusteringSegmenter,
    PromptSegmenter,
    RandomWalkerSegmenter,
)
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Time the clustering of crops, all crops and seeds together '
        'against one crop and one seed at a time, and compare its masks of generated '
        'discs with those of the other segmenters.',
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--discs', type=int, default=12, help='crops (default: 12)')
    parser.add_argument('--seed', type=int, default=0, help='of the discs')
    parser.add_argument('--repeats', type=int, default=3, help='turns; medians count')
    parser.add_argument(
        '--options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='arguments of ClusteringSegmenter, for example width=64 device=cuda',
    )
    parser.add_argument(
        '--compat', action='store_true', help='time the original too (minutes)'
    )
    parser.add_argument('--out', help='JSON file to write')
    return parser.parse_args()


def main() -> None:
    """Measure and print two tables."""
    args = parse_args()
    tasks, truth = make_discs(args.discs, args.seed)
    batching = benchmark_batching(args.options, tasks, args.repeats)
    segmenters = [
        ClusteringSegmenter(**args.options),
        RandomWalkerSegmenter(),
        PromptSegmenter(),
    ]
    if args.compat:
        segmenters.append(CompatClusteringSegmenter())
    quality = {
        each.name: benchmark_segmenter(each, tasks, truth, args.repeats)
        for each in segmenters
    }
    rows = [[name, f'{value:.4g}'] for name, value in batching.items()]
    print(AsciiTable([['clustering, seconds a crop', ''], *rows]).table)
    rows = [
        [name, *(f'{x:.4g}' for x in row.values())] for name, row in quality.items()
    ]
    print(AsciiTable([['', 's a crop', 'mean IoU', 'min IoU'], *rows]).table)
    if args.out:
        atomic_write_json(args.out, {'batching': batching, **quality}, indent=2)


if __name__ == '__main__':
    run_tool(main)
