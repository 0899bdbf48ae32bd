"""How long grouping takes, step by step and side by side with other implementations.

Example:
    python tools/analysis_tools/benchmark_grouping.py --out grouping.json
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import platform
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json
from pa_lib import GroupingConfig, group

TOPK = 100
HEIGHT, WIDTH = 480, 640
GROWTH = (0.0768, 0.3072, 0.75, 1.2288, 4.9152, 12.0)
"""Megapixels; some are 16 times others."""
SETTINGS = {
    'GGN, no globalization': GroupingConfig.ggn(use_globalization=0, topk=TOPK),
    'GGN': GroupingConfig.ggn(topk=TOPK),
    'defaults': GroupingConfig(topk=TOPK),
}
STEP_BYTES = {
    'watershed': 8,
    'boundaries': 16,
    'globalization': 12,
    'region_graph': 12,
    'merge': 4,
    'statistics': 8,
    'encoding': 4,
}
"""What a step reads and writes a pixel, each array once."""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Time pa_lib.group on one thread against the same algorithm in '
        'scikit-image and networkx, and against higra where it is installed; then by '
        'size, by number of regions and by number of processes.'
    )
    parser.add_argument('--repeats', type=int, default=7, help='runs; medians count')
    parser.add_argument(
        '--no-baselines', action='store_true', help='time pa_lib alone (seconds)'
    )
    parser.add_argument(
        '--megapixels', type=float, nargs='*', default=GROWTH, help='sizes to try'
    )
    parser.add_argument(
        '--images', type=int, default=64, help='images by number of processes'
    )
    parser.add_argument('--out', help='JSON file to write, with a plot beside it')
    return parser.parse_args()


# ------------------------------------------------------------------ the maps
def gradient_map(height: int, width: int) -> np.ndarray:
    """Affinity (height, width) float32: the inverted gradient of a photograph.

    Larger maps repeat the photograph like a mirror, so regions keep their size.
    """
    from skimage import color, data, filters

    gray = filters.gaussian(color.rgb2gray(data.coffee()), 1.0)
    gradient = filters.sobel(gray)
    rows, columns = gradient.shape
    pad = ((0, max(0, height - rows)), (0, max(0, width - columns)))
    tiled = np.pad(gradient, pad, mode='symmetric')[:height, :width]
    return (1.0 - tiled / gradient.max()).astype(np.float32)


# ------------------------------------------------------------------ the contestants
def run_pa_lib(affinity: np.ndarray, config: GroupingConfig) -> dict:
    """Group, rank and encode with pa_lib."""
    start = time.perf_counter()
    result = group(affinity, config)
    encoding = time.perf_counter()
    result.rles()
    end = time.perf_counter()
    steps = {k: v for k, v in result.timings.items() if k != 'total'}
    return {
        'seconds': end - start,
        'steps': {**steps, 'encoding': end - encoding},
        'n_leaves': result.tree.n_leaves,
    }


def run_baseline(affinity: np.ndarray, globalization: float) -> dict:
    """The same with scikit-image and networkx."""
    from _grouping_baseline import group_plainly

    start = time.perf_counter()
    result = group_plainly(affinity.astype(np.float64), globalization, TOPK)
    return {
        'seconds': time.perf_counter() - start,
        'steps': result['seconds'],
        'n_leaves': result['n_leaves'],
    }


def run_higra(affinity: np.ndarray, method: str) -> dict:
    """Watershed, region graph and average linkage of higra, or its mean-pb hierarchy.

    Neither ranks nor encodes anything.
    """
    import higra as hg

    boundary = 1.0 - affinity.astype(np.float64)
    start = time.perf_counter()
    pixels = hg.get_4_adjacency_graph(affinity.shape)
    weights = hg.weight_graph(pixels, boundary, hg.WeightFunction.mean)
    if method == 'mean_pb':
        hg.mean_pb_hierarchy(pixels, weights, affinity.shape)
        return {'seconds': time.perf_counter() - start}
    labels = hg.labelisation_watershed(pixels, weights)
    regions = hg.make_region_adjacency_graph_from_labelisation(pixels, labels)
    strength = hg.rag_accumulate_on_edges(regions, hg.Accumulators.mean, weights)
    length = hg.rag_accumulate_on_edges(
        regions, hg.Accumulators.sum, np.ones_like(weights)
    )
    hg.binary_partition_tree_average_linkage(regions, strength, length)
    return {'seconds': time.perf_counter() - start, 'n_leaves': int(labels.max())}


def repeat(run: Callable[[], dict], repeats: int) -> dict:
    """Run several times; the run with the median time stands for all."""
    with threadpool_limits(limits=1):
        runs = sorted((run() for _ in range(repeats)), key=lambda r: r['seconds'])
    return {
        **runs[len(runs) // 2],
        'fastest': runs[0]['seconds'],
        'slowest': runs[-1]['seconds'],
    }


# ------------------------------------------------------------------ the comparisons
def compare(repeats: int) -> list[dict]:
    """All implementations on one map, each measured in turn."""
    affinity = gradient_map(HEIGHT, WIDTH)
    rows = []
    for name in ('GGN, no globalization', 'GGN'):
        config = SETTINGS[name]
        ours = repeat(partial(run_pa_lib, affinity, config), repeats)
        plain = repeat(
            partial(run_baseline, affinity, config.use_globalization),
            1 + (repeats > 3),
        )
        rows += [
            {'name': f'pa_lib, {name}', **ours, 'unit': ours['seconds']},
            {
                'name': f'scikit-image + networkx, {name}',
                **plain,
                'unit': ours['seconds'],
            },
        ]
    ours = repeat(partial(run_pa_lib, affinity, SETTINGS['defaults']), repeats)
    rows.append({'name': 'pa_lib, defaults', **ours, 'unit': ours['seconds']})
    if importlib.util.find_spec('higra'):
        for method, name in (
            ('average', 'higra, watershed + region graph + average linkage'),
            ('mean_pb', 'higra, mean_pb_hierarchy'),
        ):
            row = repeat(partial(run_higra, affinity, method), repeats)
            rows.append({'name': name, **row, 'unit': rows[0]['seconds']})
    for row in rows:
        row['ratio'] = row['seconds'] / row.pop('unit')
    return rows


def measure_steps(repeats: int) -> list[dict]:
    """Median seconds of each step, and of moving its bytes once."""
    affinity = gradient_map(HEIGHT, WIDTH)
    rate = _copy_rate()
    rows = []
    for name in ('GGN', 'defaults'):
        with threadpool_limits(limits=1):
            runs = [
                run_pa_lib(affinity, SETTINGS[name])['steps'] for _ in range(repeats)
            ]
        for step in runs[0]:
            floor = STEP_BYTES.get(step, 0) * affinity.size / rate
            seconds = median(run[step] for run in runs)
            rows.append(
                {
                    'name': name,
                    'step': step,
                    'seconds': seconds,
                    'floor': floor,
                    'n_pixels': affinity.size,
                }
            )
    return rows


def _copy_rate() -> float:
    """Return the bytes a second that one thread reads and writes in large copies."""
    source = np.ones(2**25, np.uint8)
    target = np.empty_like(source)
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        np.copyto(target, source)
        seconds.append(time.perf_counter() - start)
    return 2 * source.size / median(seconds)


def measure_growth(megapixels: list[float], repeats: int) -> list[dict]:
    """Time and peak memory by size, each size in a process of its own."""
    rows = []
    for size in megapixels:
        height = round((size * 1e6 * HEIGHT / WIDTH) ** 0.5)
        width = round(size * 1e6 / height)
        for name in SETTINGS:
            with multiprocessing.get_context('spawn').Pool(1) as pool:
                row = pool.apply(_measure_size, (height, width, name, repeats))
            rows.append({'megapixels': size, 'name': name, **row})
    seconds = {(row['name'], row['megapixels']): row['seconds'] for row in rows}
    for row in rows:
        smaller = seconds.get((row['name'], row['megapixels'] / 16))
        if smaller:
            row['times_a_16th'] = row['seconds'] / smaller
    return rows


def _measure_size(height: int, width: int, name: str, repeats: int) -> dict:
    affinity = gradient_map(height, width)
    before = _peak_memory()
    row = repeat(partial(run_pa_lib, affinity, SETTINGS[name]), repeats)
    return {**row, 'peak_mib': _peak_memory(), 'peak_before_mib': before}


def _peak_memory() -> float:
    """Return the largest resident memory of this process so far, MiB."""
    status = Path('/proc/self/status')
    if status.exists():
        # The kernel's own record; that of getrusage begins with the parent's.
        lines = dict(line.split(':', 1) for line in status.read_text().splitlines())
        return int(lines['VmHWM'].split()[0]) / 2**10
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == 'darwin' else 2**10)


def measure_leaves(repeats: int) -> list[dict]:
    """Time by number of regions, on one map."""
    affinity = gradient_map(HEIGHT, WIDTH)
    return [
        {
            'footprint_size': footprint,
            **repeat(
                partial(
                    run_pa_lib,
                    affinity,
                    GroupingConfig.ggn(topk=TOPK, footprint_size=footprint),
                ),
                repeats,
            ),
        }
        for footprint in (40, 20, 10, 5, 3)
    ]


def measure_workers(n_images: int) -> list[dict]:
    """Images a second with one process and with two."""
    rows = []
    for workers in (1, 2):
        with multiprocessing.get_context('spawn').Pool(workers) as pool:
            pool.map(_group_one, range(2 * workers))
            start = time.perf_counter()
            pool.map(_group_one, range(n_images), chunksize=4)
            seconds = time.perf_counter() - start
        rows.append({'workers': workers, 'images_per_second': n_images / seconds})
    rows[1]['speedup'] = rows[1]['images_per_second'] / rows[0]['images_per_second']
    return rows


_map: np.ndarray | None = None


def _group_one(_: int) -> None:
    global _map
    if _map is None:
        _map = gradient_map(HEIGHT, WIDTH)
    with threadpool_limits(limits=1):
        run_pa_lib(_map, SETTINGS['GGN'])


def main() -> None:
    """Measure everything that was asked for and print it."""
    args = parse_args()
    # Beside this file: found when it runs as a program, not when it is imported.
    from _grouping_report import plot_growth, report

    results: dict[str, Any] = {
        'machine': platform.machine(),
        'python': platform.python_version(),
        'numpy': np.__version__,
    }
    if not args.no_baselines:
        results['comparison'] = compare(args.repeats)
    results['steps'] = measure_steps(args.repeats)
    results['growth'] = measure_growth(args.megapixels, min(args.repeats, 3))
    results['leaves'] = measure_leaves(args.repeats)
    results['workers'] = measure_workers(args.images)
    print(report(results))
    if args.out:
        atomic_write_json(args.out, results, indent=2)
        plot_growth(results['growth'], Path(args.out).with_suffix('.png'))


if __name__ == '__main__':
    run_tool(main)
