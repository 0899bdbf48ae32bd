"""UVO annotations as a class-agnostic COCO file: ``uvo_to_coco.py ANN_FILE``."""

from __future__ import annotations

import argparse

from mmdet_ovis.datasets.converters import convert_uvo
from mmdet_ovis.utils.cli import run_tool

EPILOG = """
example:
  python tools/dataset_converters/uvo_to_coco.py data/uvo/FrameSet/UVO_frame_val.json \\
      --images data/uvo/uvo_videos_sparse_frames \\
      --out data/uvo/annotations/frame_val.json
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Convert a frame file (FrameSet) or a video file (VideoDenseSet, '
        "VideoSparseSet) of UVO. All objects get the category 'object'.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('ann_file', help='JSON file of UVO')
    parser.add_argument('--out', required=True, metavar='FILE', help='file to write')
    parser.add_argument(
        '--images',
        metavar='DIR',
        help='folder of the frames; frames that it does not have are left out '
        '(default: all frames are kept)',
    )
    parser.add_argument(
        '--every',
        type=int,
        default=1,
        metavar='N',
        help='keep every N-th frame of a video (default: 1, all)',
    )
    return parser.parse_args()


def main() -> None:
    """Convert, and say what came of it."""
    args = parse_args()
    print(convert_uvo(args.ann_file, args.out, args.images, args.every))


if __name__ == '__main__':
    run_tool(main)
