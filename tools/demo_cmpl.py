"""Cross-modal pseudo labels on OpenShapes, from nothing to a table and pictures."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.demos.cmpl import run_cmpl_demo
from mmdet_ovis.apis.demos.cmpl_stages import CmplDemoOptions
from mmdet_ovis.apis.demos.command_line import add_demo_options
from mmdet_ovis.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line; defaults are those of the demo."""
    parser = argparse.ArgumentParser(
        description='Make OpenShapes, learn words from its captions, train a teacher '
        'on the base shapes, and students from what it makes of the words; test all. '
        'A second call goes on where the first was stopped.'
    )
    add_demo_options(
        parser,
        CmplDemoOptions,
        data_root='OpenShapes with typical colours; made if it is not there',
        num_pictures='training images and test images that are drawn',
    )
    return parser.parse_args()


def main() -> None:
    """Run the demo."""
    options = CmplDemoOptions(**vars(parse_args()))
    run_cmpl_demo(options, report=lambda line: print(line, flush=True))


if __name__ == '__main__':
    run_tool(main)
