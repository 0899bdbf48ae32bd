"""Learn to rank the masks of grouping: the JSON file of `pa_lib`'s learned ranker.

Example:
    python tools/train_ranker.py --gt instances.json --boundary-maps edges/ \
        --out ranker.json
    python tools/analysis_tools/benchmark_proposals.py --gt other.json \
        --boundary-maps edges/ --set ranker=ranker.json
"""

from __future__ import annotations

import argparse

from threadpoolctl import threadpool_limits

from mmdet_ovis.apis.proposal_tasks import (
    add_grouping_arguments,
    add_image_arguments,
    check_image_arguments,
    make_config,
    make_tasks,
    read_truth,
)
from mmdet_ovis.apis.ranker_training import (
    cross_validate,
    describe_image,
    train_ranker,
)
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json
from mmdet_ovis.utils.progress import show_progress


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Train a small perceptron on the statistics of all regions of the '
        'hierarchies of some images, and say how well it ranks images that it was not '
        'trained on.',
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_image_arguments(parser)
    add_grouping_arguments(parser)
    parser.add_argument('--out', required=True, help='JSON file to write')
    parser.add_argument(
        '--folds', type=int, default=3, help='of the cross-validation (default: 3)'
    )
    parser.add_argument(
        '--hidden', type=int, default=12, help='hidden units (default: 12)'
    )
    parser.add_argument(
        '--epochs', type=int, default=15, help='passes over all regions (default: 15)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the training')
    args = parser.parse_args()
    check_image_arguments(parser, args)
    if args.segmentations:
        parser.error('the ranker learns from objects: use --gt')
    return args


def main() -> None:
    """Describe the images, cross-validate, train on all of them."""
    args = parse_args()
    config = make_config(args.set, args.preset)
    options = {'hidden': args.hidden, 'epochs': args.epochs, 'seed': args.seed}
    images = []
    truth = read_truth(args)
    with threadpool_limits(limits=1):
        with show_progress('grouping', len(truth)) as advance:
            for task in make_tasks(args, truth):
                image = describe_image(task, config)
                if image is not None:
                    images.append(image)
                advance()
        held_out = cross_validate(images, config, args.folds, **options)
        ranker = train_ranker(images, **options)
    atomic_write_json(args.out, ranker.to_dict())
    regions = sum(len(image.features) for image in images)
    print(f'{args.out}: trained on {regions} regions of {len(images)} images')
    for name, value in held_out.items():
        print(f'{name} of images left out ({args.folds} folds): {100 * value:.1f} %')


if __name__ == '__main__':
    run_tool(main)
