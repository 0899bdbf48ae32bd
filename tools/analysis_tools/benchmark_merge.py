"""How fast merging is and how much memory it takes, next to plain ``json``.

Example:
    python tools/analysis_tools/benchmark_merge.py --masks 1000000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_api
from terminaltables import AsciiTable

from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.coco_stream import write_list
from mmdet_ovis.utils.io import atomic_open, atomic_write_json

HEIGHT, WIDTH = 480, 640
N_SHAPES = 1000
"""Different masks; they are used in turn."""
MERGE = Path(__file__).resolve().parents[1] / 'merge_annotations.py'
PLAIN = """
import json, sys
ref, out, *shards = sys.argv[1:]
with open(ref) as file:
    coco = json.load(file)
for shard in shards:
    with open(shard) as file:
        for anns in json.load(file):
            coco['annotations'] += anns
for i, ann in enumerate(coco['annotations'], 1):
    ann['id'] = i
with open(out, 'w') as file:
    json.dump(coco, file)
"""
"""The same merge by whole files, without checks."""
WATCH = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - start
cpu_seconds = usage.ru_utime + usage.ru_stime
peak_mib = usage.ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)
print(json.dumps([seconds, cpu_seconds, peak_mib]))
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
"""Runs a command; small itself, because a process counts what its parent held."""


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    seconds: float
    cpu_seconds: float  # of user and system; other processes hardly matter
    peak_mib: float  # of resident memory


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Merge synthetic pseudo masks with tools/merge_annotations.py and '
        'with json.load and json.dump, each in a process of its own; print time and '
        'peak memory.',
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--masks', type=int, default=100_000, help='default: 100,000')
    parser.add_argument('--per-image', type=int, default=20, help='default: 20')
    parser.add_argument('--shards', type=int, default=4, help='files (default: 4)')
    parser.add_argument(
        '--folder', help='where to put the files (default: a temporary folder)'
    )
    parser.add_argument(
        '--no-baseline', action='store_true', help='leave json.load out'
    )
    parser.add_argument('--out', help='JSON file for the numbers')
    args = parser.parse_args()
    if min(args.masks, args.per_image, args.shards) < 1:
        parser.error('--masks, --per-image and --shards are at least 1')
    if not hasattr(os, 'wait4'):
        parser.error('this system does not tell how much memory a process took')
    return args


def main() -> None:
    """Write the inputs, run both, print a table."""
    args = parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        ref, shards = write_inputs(Path(folder), args)
        size = sum(path.stat().st_size for path in shards) / 2**20
        print(f'{args.masks} masks in {len(shards)} files, {size:.0f} MiB')
        costs = measure(Path(folder), ref, shards, not args.no_baseline)
    rows = [
        [
            name,
            f'{cost.seconds:.1f}',
            f'{cost.cpu_seconds:.1f}',
            f'{args.masks / cost.cpu_seconds:,.0f}' if name != 'imports' else '',
            f'{cost.peak_mib:.0f}',
        ]
        for name, cost in costs.items()
    ]
    head = ['', 'seconds', 'CPU seconds', 'masks/CPU s', 'peak MiB']
    table = AsciiTable([head, *rows])
    table.justify_columns = dict.fromkeys(range(1, len(head)), 'right')
    print(table.table)
    if args.out:
        numbers = {name: asdict(cost) for name, cost in costs.items()}
        atomic_write_json(args.out, {'masks': args.masks, **numbers}, indent=2)


def measure(
    folder: Path, ref: Path, shards: Sequence[Path], baseline: bool
) -> dict[str, Cost]:
    """Run what is compared; all of it starts with the same files in the disk cache."""
    for path in shards:
        path.read_bytes()
    out = folder / 'merged.json'
    merge = [str(MERGE), '--ref', ref, '--out', out, '--inputs', *shards]
    costs = {
        'imports': run([str(MERGE), '--help']),
        'merge_annotations.py': run(merge),
    }
    if baseline:
        costs['json.load, json.dump'] = run(['-c', PLAIN, ref, out, *shards])
    return costs


def run(arguments: Sequence[object]) -> Cost:
    """Run Python on some arguments.

    Raises:
        ValueError: If it fails.
    """
    done = subprocess.run(
        [sys.executable, '-c', WATCH, sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise ValueError(f'{Path(str(arguments[0])).name} failed, see above')
    return Cost(*json.loads(done.stdout))


# ------------------------------------------------------------------ synthetic inputs
def write_inputs(folder: Path, args: argparse.Namespace) -> tuple[Path, list[Path]]:
    """Write a reference without ground truth, and shards as extraction writes them."""
    n_images = -(-args.masks // args.per_image)
    ref = folder / 'ref.json'
    images = [
        {'id': i, 'file_name': f'{i:012d}.jpg', 'height': HEIGHT, 'width': WIDTH}
        for i in range(n_images)
    ]
    categories = [{'id': 1, 'name': 'object'}]
    content = {'images': images, 'annotations': [], 'categories': categories}
    atomic_write_json(ref, content)
    shapes = [make_shape(np.random.default_rng(seed)) for seed in range(N_SHAPES)]
    shards = [folder / f'masks_{i}.json' for i in range(min(args.shards, n_images))]
    for i, path in enumerate(shards):
        with atomic_open(path) as file:
            lists = make_lists(range(i, n_images, len(shards)), args, shapes)
            write_list(file, ((str(path), anns) for anns in lists))
    return ref, shards


def make_lists(
    image_ids: range, args: argparse.Namespace, shapes: Sequence[dict]
) -> Iterator[list[dict]]:
    """Make the annotations of each image."""
    for image_id in image_ids:
        first = image_id * args.per_image
        yield [
            {
                **shapes[(first + rank) % len(shapes)],
                'image_id': image_id,
                'category_id': 1,
                'iscrowd': 0,
                'score': round(2 - (rank + image_id % 97 / 97) / args.per_image, 6),
                'rank': rank,
                'gt_iou': round((first + rank) * 0.61803398875 % 1, 6),
                'source': 'pa',
                'pseudo': 1,
            }
            for rank in range(min(args.per_image, args.masks - first))
        ]


def make_shape(rng: np.random.Generator) -> dict:
    """Draw a random blob: ``segmentation``, ``bbox`` and ``area``."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radii = np.exp(rng.uniform(2.5, 5)) * rng.uniform(0.6, 1, len(angles))
    center = rng.uniform((80, 80), (WIDTH - 80, HEIGHT - 80))
    corners = center + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    mask = cv2.fillPoly(
        np.zeros((HEIGHT, WIDTH), np.uint8), [corners.round().astype(np.int32)], 1
    )
    rle = mask_api.encode(np.asfortranarray(mask))
    return {
        'segmentation': {'size': [HEIGHT, WIDTH], 'counts': rle['counts'].decode()},
        'bbox': mask_api.toBbox(rle).tolist(),
        'area': int(mask_api.area(rle)),
    }


if __name__ == '__main__':
    run_tool(main)
