"""The whole of Mask-free OVIS on OpenShapes, from nothing to tables and pictures."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.demos.command_line import add_demo_options
from mmdet_ovis.apis.demos.ovis import run_ovis_demo
from mmdet_ovis.apis.demos.ovis_stages import OvisDemoOptions
from mmdet_ovis.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line; defaults are those of the demo."""
    parser = argparse.ArgumentParser(
        description='Make OpenShapes, train a small image-text model on its captions, '
        'generate pseudo masks, train four open-vocabulary detectors, test them. A '
        'second call goes on where the first was stopped.'
    )
    add_demo_options(
        parser,
        OvisDemoOptions,
        data_root='OpenShapes with typical colours; made if it is not there',
        num_pictures='training images and test images that are drawn',
    )
    return parser.parse_args()


def main() -> None:
    """Run the demo."""
    options = OvisDemoOptions(**vars(parse_args()))
    run_ovis_demo(options, report=lambda line: print(line, flush=True))


if __name__ == '__main__':
    run_tool(main)
