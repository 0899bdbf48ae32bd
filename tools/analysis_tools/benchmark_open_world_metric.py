"""How fast the evaluation of `OpenWorldCocoMetric` is, side by side with COCOeval.

Examples:
    python tools/analysis_tools/benchmark_open_world_metric.py --images 250
    python tools/analysis_tools/benchmark_open_world_metric.py --out metric.json
    python tools/analysis_tools/benchmark_open_world_metric.py --no-baseline
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from pycocotools import mask as mask_api
from terminaltables import AsciiTable

from mmdet_ovis.evaluation.coco_objects import GroundTruth, Results
from mmdet_ovis.evaluation.functional.open_world_recall import MAX_DETS
from mmdet_ovis.evaluation.functional.recall_summary import accumulate
from mmdet_ovis.evaluation.open_world import evaluate_detections
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json
from mmdet_ovis.utils.progress import show_progress

HEIGHT, WIDTH = 480, 640
CATEGORIES = 10
VERTICES = 24
CHUNK = 50
"""Images that are in memory at once."""

OURS, THREE_SPLITS = 'mmdet_ovis', 'mmdet_ovis, three splits'
COCO, COCO_LOADING = 'COCOeval', 'COCOeval, loading results'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Evaluate random masks with the functions of OpenWorldCocoMetric '
        "and with pycocotools' COCOeval: the same masks, budgets and area ranges, in "
        'one process. Numbers must be equal.',
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--images', type=int, default=5000, help='default: 5000')
    parser.add_argument(
        '--detections', type=int, default=1500, help='an image (default: 1500)'
    )
    parser.add_argument(
        '--objects', type=int, default=8, help='an image, on average (default: 8)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the masks (default: 0)')
    parser.add_argument(
        '--no-baseline', action='store_true', help='leave COCOeval out (minutes)'
    )
    parser.add_argument('--out', help='JSON file to write')
    return parser.parse_args()


# ------------------------------------------------------------------ the masks
def make_images(args: argparse.Namespace) -> Iterator[tuple[dict, list[dict]]]:
    """Make annotation files and results of a few images each."""
    for start in range(0, args.images, CHUNK):
        images, annotations, results = [], [], []
        for image_id in range(start, min(start + CHUNK, args.images)):
            rng = np.random.default_rng([args.seed, image_id])
            images.append({'id': image_id, 'height': HEIGHT, 'width': WIDTH})
            objects = random_ellipses(rng, rng.poisson(args.objects))
            results += make_results(rng, image_id, objects, args.detections)
            for rle in encode(objects):
                annotations.append(
                    {
                        'id': len(annotations) + 1,
                        'image_id': image_id,
                        'category_id': int(rng.integers(CATEGORIES)) + 1,
                        'segmentation': rle,
                        'area': float(mask_api.area(rle)),
                        'iscrowd': int(rng.random() < 0.02),
                    }
                )
        categories = [{'id': i + 1, 'name': f'class {i}'} for i in range(CATEGORIES)]
        dataset = dict(images=images, annotations=annotations, categories=categories)
        yield dataset, results


def random_ellipses(rng: np.random.Generator, number: int) -> np.ndarray:
    """Draw centres, radii and angles, shape (number, 5), px and radians."""
    centers = rng.uniform(0, (WIDTH, HEIGHT), (number, 2))
    radii = np.exp(rng.normal(3.4, 0.8, (number, 2))).clip(4, 200)
    return np.hstack([centers, radii, rng.uniform(0, np.pi, (number, 1))])


def encode(ellipses: np.ndarray) -> list[dict]:
    """Encode ellipses, approximated by polygons, as RLEs."""
    if not len(ellipses):
        return []
    x, y, a, b, angle = ellipses.T[..., None]
    turn = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    along, across = a * np.cos(turn), b * np.sin(turn)
    columns = x + along * np.cos(angle) - across * np.sin(angle)
    rows = y + along * np.sin(angle) + across * np.cos(angle)
    points = np.stack([columns.clip(0, WIDTH), rows.clip(0, HEIGHT)], axis=-1)
    polygons = points.reshape(len(ellipses), -1).tolist()
    return mask_api.frPyObjects(polygons, HEIGHT, WIDTH)


def make_results(
    rng: np.random.Generator, image_id: int, objects: np.ndarray, number: int
) -> list[dict]:
    """Make detections, four in ten of them on objects; now and then scores tie."""
    near = 4 * number // 10 if len(objects) else 0
    on_objects = objects[rng.integers(0, max(1, len(objects)), near)]
    spread = rng.exponential(0.15, (near, 1))
    on_objects = on_objects * (1 + spread * rng.normal(0, 0.3, (near, 5)))
    ellipses = np.vstack([on_objects, random_ellipses(rng, number - near)])
    scores = rng.random(number)
    scores[:near] = 0.5 * scores[:near] + 0.5 * np.exp(-4 * spread[:, 0])
    return [
        {
            'image_id': image_id,
            'category_id': 1,
            'segmentation': rle,
            'score': float(score),
        }
        for rle, score in zip(encode(ellipses), scores.round(3), strict=True)
    ]


# ------------------------------------------------------------------ the contestants
class Clock:
    """Seconds by name, of the wall and of the processor."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add what the body takes."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        total = self.seconds.setdefault(name, [0.0, 0.0])
        total[0] += time.perf_counter() - wall
        total[1] += time.process_time() - cpu


class OpenWorld:
    """The functions that `OpenWorldCocoMetric` calls."""

    def __init__(self, splits: dict[str, set[int]]) -> None:
        self.splits = splits
        self.outcomes: list = []

    def add(self, dataset: dict, results: list[dict]) -> None:
        """Evaluate some images, reading and checking included."""
        truth = GroundTruth(dataset, 'truth')
        found = Results(results, truth, 'results')
        for image_id in truth.image_ids:
            self.outcomes.append(
                evaluate_detections(
                    truth.objects(image_id, 'segm'),
                    found.detections(image_id, 'segm'),
                    self.splits,
                )
            )

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Return recall and precision of the first split."""
        curves = accumulate(self.outcomes)
        return curves.recall[0], curves.precision[0]


def measure(args: argparse.Namespace) -> dict:
    """Run all contestants over the same images, a few at a time."""
    from _cocoeval_baseline import ChunkedCOCOeval

    everything = set(range(1, CATEGORIES + 1))
    half = set(range(1, CATEGORIES // 2 + 1))
    table = OpenWorld({'all': everything})
    three = OpenWorld({'unseen': half, 'seen': everything - half, 'all': everything})
    baseline = ChunkedCOCOeval(MAX_DETS)
    clock = Clock()
    num_masks = 0
    with show_progress('evaluation', args.images) as advance:
        for dataset, results in make_images(args):
            num_masks += len(results)
            with clock.measure(OURS):
                table.add(dataset, results)
            with clock.measure(THREE_SPLITS):
                three.add(dataset, results)
            if not args.no_baseline:
                with clock.measure(COCO_LOADING):
                    evaluation = baseline.load(dataset, results)
                with clock.measure(COCO):
                    baseline.evaluate(evaluation)
            for _ in dataset['images']:
                advance()
    with clock.measure(OURS):
        got = table.finish()
    with clock.measure(THREE_SPLITS):
        three.finish()
    report = {
        'images': args.images,
        'masks': num_masks,
        'recall_at_100': float(got[0][0, :, MAX_DETS.index(100)].mean()),
        'machine': platform.machine(),
        'python': platform.python_version(),
    }
    if not args.no_baseline:
        with clock.measure(COCO):
            expected = baseline.accumulate()
        for name, mine, theirs in zip(
            ('recall', 'precision'), got, expected, strict=True
        ):
            report[f'{name}_equal'] = bool(np.array_equal(mine, theirs))
    report['seconds'] = {
        name: dict(zip(('wall', 'cpu'), seconds, strict=True))
        for name, seconds in clock.seconds.items()
    }
    report['peak_mib'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return report


def main() -> int:
    """Measure, compare and print."""
    args = parse_args()
    report = measure(args)
    base = report['seconds'][OURS]
    rows = [
        [
            name,
            *(f'{x[k]:.1f}' for k in ('wall', 'cpu')),
            f'{x["wall"] / base["wall"]:.1f}',
        ]
        for name, x in report['seconds'].items()
    ]
    print(AsciiTable([['', 'seconds', 'of processor', 'times ours'], *rows]).table)
    print(
        f'{report["images"]} images, {report["masks"]} masks, AR@100 '
        f'{report["recall_at_100"]:.4f}, peak {report["peak_mib"]:.0f} MiB'
    )
    if args.out:
        atomic_write_json(args.out, report, indent=2)
    if args.no_baseline:
        return 0
    equal = report['recall_equal'] and report['precision_equal']
    print(f'recall and precision are {"equal" if equal else "NOT EQUAL"}')
    return 0 if equal else 1


if __name__ == '__main__':
    run_tool(main)
