"""Generate OpenShapes, the embedded dataset."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet_ovis.datasets.openshapes import OpenShapesConfig, make_openshapes
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.parallel import available_cores
from mmdet_ovis.utils.progress import show_progress


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    defaults = OpenShapesConfig()
    parser = argparse.ArgumentParser(
        description=(
            'Generate OpenShapes: COCO-format images, instances and captions of '
            'textured shapes over photographs, 8 seen and 8 unseen categories. The '
            'same arguments give the same bytes. A dataset that is there already is '
            'left as it is.'
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        '--out', type=Path, default=Path('data/openshapes'), help='folder to write'
    )
    parser.add_argument(
        '--num-train', type=int, default=defaults.num_train, help='training images'
    )
    parser.add_argument(
        '--num-val', type=int, default=defaults.num_val, help='validation images'
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs='+',
        default=[defaults.image_size],
        metavar='PIXELS',
        help='side of the images, or height and width',
    )
    parser.add_argument(
        '--seed', type=int, default=defaults.seed, help='seed of the whole dataset'
    )
    parser.add_argument(
        '--appearance-bias',
        type=float,
        default=defaults.appearance_bias,
        help='probability that an object wears a surface of its own category, 0 to 1',
    )
    parser.add_argument(
        '--color-bias',
        type=float,
        default=defaults.color_bias,
        help='probability that an object wears the typical colour of its category, '
        '0 to 1 (default: %(default)s)',
    )
    parser.add_argument(
        '--workers', type=int, default=available_cores(), help='processes'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace another dataset in --out'
    )
    args = parser.parse_args(argv)
    if len(args.size) > 2:
        parser.error('--size takes one number or two (height width)')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Make the dataset and say what it holds."""
    args = parse_args(argv)
    config = OpenShapesConfig(
        seed=args.seed,
        image_size=args.size[0] if len(args.size) == 1 else tuple(args.size),
        num_train=args.num_train,
        num_val=args.num_val,
        appearance_bias=args.appearance_bias,
        color_bias=args.color_bias,
    )
    total = config.num_train + config.num_val
    with show_progress('OpenShapes', total) as advance:
        summary = make_openshapes(
            args.out,
            config,
            workers=args.workers,
            overwrite=args.overwrite,
            progress=lambda done, total: advance(),
        )
    state = 'written to' if summary.created else 'is already in'
    counts = ', '.join(
        f'{split}: {summary.num_images[split]} images with '
        f'{summary.num_instances[split]} objects'
        for split in summary.num_images
    )
    print(f'OpenShapes {state} {args.out} ({counts}; sha256 {summary.checksum[:12]})')


if __name__ == '__main__':
    run_tool(main)
