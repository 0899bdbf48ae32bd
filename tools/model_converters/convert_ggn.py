"""Convert released weights of GGN or OLN: ``convert_ggn.py IN OUT``.

What IN is (affinity network, OLN-Box, Mask R-CNN or Faster R-CNN of mmdet 2.x) is found
out from the names of its parameters.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_ovis.apis.checkpoint_conversion import (
    add_conversion_arguments,
    convert_checkpoint,
)
from mmdet_ovis.utils.cli import run_tool

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
EPILOG = """
example:
  python tools/model_converters/convert_ggn.py pa_voc.pth work_dirs/pa_voc.pth
  python tools/extract_pa_masks.py configs/pairwise_affinity/pa_extract_released.py \\
      work_dirs/pa_voc.pth --out work_dirs/pa_masks/masks.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Convert a checkpoint of the original code of GGN or OLN. The '
        'result is written if it fits the model of a config exactly.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_conversion_arguments(parser, 'model.affinity_head.channels=128')
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
    )
    print(f'{args.target}: {report}')


if __name__ == '__main__':
    run_tool(main)
