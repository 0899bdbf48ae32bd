"""The whole of GGN on OpenShapes, from nothing to a table and pictures."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.demos.command_line import add_demo_options
from mmdet_ovis.apis.demos.ggn import DemoOptions, run_demo
from mmdet_ovis.apis.demos.ggn_methods import DEMO_METHODS, METHODS
from mmdet_ovis.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line; defaults are those of the demo."""
    parser = argparse.ArgumentParser(
        description='Make OpenShapes, train pairwise affinity, extract and merge '
        'masks, train the baseline and GGN, test both. A second call goes on where '
        'the first was stopped.'
    )
    add_demo_options(parser, DemoOptions, num_pictures='test images that are drawn')
    parser.add_argument(
        '--methods',
        nargs='+',
        choices=METHODS,
        default=DEMO_METHODS,
        help='what is trained and compared (default: %(default)s)',
    )
    return parser.parse_args()


def main() -> None:
    """Run the demo."""
    args = vars(parse_args())
    options = DemoOptions(**{**args, 'methods': tuple(args['methods'])})
    run_demo(options, report=lambda line: print(line, flush=True))


if __name__ == '__main__':
    run_tool(main)
