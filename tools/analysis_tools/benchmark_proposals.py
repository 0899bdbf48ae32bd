"""How good the masks and the hierarchy of grouping are on real images.

Examples:
    python tools/analysis_tools/benchmark_proposals.py --gt instances.json \
        --boundary-maps edges/ --every 3 --preset ggn --set nms=0.5
    python tools/analysis_tools/benchmark_proposals.py --gt instances.json \
        --images train2017/ --pa work_dirs/pa_train/epoch_20.pth
    python tools/analysis_tools/benchmark_proposals.py --segmentations groundTruth/val \
        --images images/val --pa work_dirs/pa_train/epoch_20.pth
"""

from __future__ import annotations

import argparse

from terminaltables import AsciiTable
from threadpoolctl import threadpool_limits

from mmdet_ovis.apis.benchmarks.proposals import run_benchmark
from mmdet_ovis.apis.proposal_tasks import (
    add_grouping_arguments,
    add_image_arguments,
    check_image_arguments,
    make_config,
    make_tasks,
    read_truth,
)
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json
from mmdet_ovis.utils.parallel import available_cores
from mmdet_ovis.utils.progress import show_progress


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Average recall, best overlaps and oracle recall of grouping on '
        'COCO objects, or boundary F and covering of its cuts on human segmentations.',
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_image_arguments(parser)
    add_grouping_arguments(parser)
    parser.add_argument(
        '--workers',
        type=int,
        default=available_cores(),
        help='processes (default: one a core)',
    )
    parser.add_argument('--out', help='JSON file to write')
    args = parser.parse_args()
    check_image_arguments(parser, args)
    return args


def main() -> None:
    """Measure and print a table."""
    args = parse_args()
    config = make_config(args.set, args.preset)
    truth = read_truth(args)
    with (
        show_progress('proposals', len(truth)) as advance,
        threadpool_limits(limits=1),
    ):
        metrics = run_benchmark(make_tasks(args, truth), config, args.workers, advance)
    rows = [[name, f'{value:.4g}'] for name, value in metrics.items()]
    print(AsciiTable([['', 'value'], *rows]).table)
    if args.out:
        atomic_write_json(args.out, metrics, indent=2)


if __name__ == '__main__':
    run_tool(main)
