"""Convert weights of the original code of OVR-CNN or CMPL: ``convert_cmpl.py IN OUT``.

What IN is (the trunk of OVR-CNN's caption pretraining, a teacher or a student of CMPL)
is found out from the names of its parameters.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_ovis.apis.checkpoint_conversion import (
    add_conversion_arguments,
    convert_checkpoint,
)
from mmdet_ovis.utils.benchmark_layouts import BENCHMARK_LAYOUTS
from mmdet_ovis.utils.cli import run_tool

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
EPILOG = """
example:
  python tools/model_converters/convert_cmpl.py ovr.pth work_dirs/ovr_trunk.pth
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Convert a checkpoint of the original code of OVR-CNN or CMPL. The '
        'result is written if it fits the model of a config exactly.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_conversion_arguments(parser, 'model.roi_head.bbox_head.embed_dim=512')
    return parser.parse_args()


def main() -> None:
    """Convert, and say what it was."""
    args = parse_args()
    report = convert_checkpoint(
        args.source,
        args.target,
        CONFIGS,
        config=args.config,
        cfg_options=args.cfg_options,
        trust=args.trust_checkpoint,
        layouts=BENCHMARK_LAYOUTS,
    )
    print(f'{args.target}: {report}')


if __name__ == '__main__':
    run_tool(main)
