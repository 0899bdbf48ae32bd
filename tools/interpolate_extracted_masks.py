"""Resize masks: ``interpolate_extracted_masks.py --inputs GLOB [--out-dir DIR]``."""

from __future__ import annotations

import argparse

from mmdet_ovis.pseudo_labels import interpolate_extracted_masks
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.parallel import available_cores

EPILOG = """
Only masks that were extracted at another size than that of the images need this;
extract_pa_masks.py of this project writes the original size.

example:
  python tools/interpolate_extracted_masks.py --inputs 'work_dirs/pa/masks_?.json'
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Bring extracted masks to the size of the original images.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--inputs',
        required=True,
        nargs='+',
        metavar='GLOB',
        help='lists of masks, as paths or patterns; masks.json becomes '
        'masks_interpolated.json',
    )
    parser.add_argument(
        '--out-dir', metavar='DIR', help='where to write (default: beside each input)'
    )
    parser.add_argument(
        '--ref',
        metavar='FILE',
        help='COCO file of the images, where the masks do not say how large these are '
        '(ori_shape or orig_shape)',
    )
    parser.add_argument(
        '--processes',
        type=int,
        default=available_cores(),
        metavar='N',
        help='processes that resize (default: one a core)',
    )
    return parser.parse_args()


def main() -> None:
    """Interpolate, and say what came of it."""
    args = parse_args()
    summaries = interpolate_extracted_masks(
        args.inputs, args.out_dir, args.ref, args.processes
    )
    for summary in summaries:
        print(
            f'{summary.out}: {summary.n_kept} of {summary.n_read} masks on '
            f'{summary.n_images} images, {summary.n_read - summary.n_kept} vanished'
        )


if __name__ == '__main__':
    run_tool(main)
