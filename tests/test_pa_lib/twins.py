"""Plain NumPy and Python twins of the kernels of `pa_lib`, and random inputs.

Each twin follows the definition, pixel by pixel or mask by mask, with no thought of
speed, so that it can be checked by reading.
"""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
from hypothesis import settings
from scipy import signal

from pa_lib import MergeTree

property_settings = settings(
    deadline=None, max_examples=60, database=None, derandomize=True
)

FOUR = ((-1, 0), (0, -1), (0, 1), (1, 0))
EIGHT = (*FOUR, (-1, -1), (-1, 1), (1, -1), (1, 1))


# ----------------------------------------------------------------- random inputs
def random_labels(rng: np.random.Generator, shape, n_labels: int) -> np.ndarray:
    """Labels 1..L, all in use, L at most `n_labels` and the number of pixels."""
    raw = rng.integers(0, n_labels, shape)
    return (np.unique(raw, return_inverse=True)[1].reshape(shape) + 1).astype(np.int32)


def random_tree(rng: np.random.Generator, shape, n_labels: int) -> MergeTree:
    """A forest that merges random roots, whether adjacent or not, and stops early."""
    labels = random_labels(rng, shape, n_labels)
    n_leaves = labels.max()
    roots = list(range(n_leaves))
    children = []
    for _ in range(rng.integers(0, n_leaves)):
        pair = sorted(rng.choice(roots, 2, replace=False).tolist())
        roots = [root for root in roots if root not in pair]
        roots.append(n_leaves + len(children))
        children.append(pair)
    heights = np.sort(rng.random(len(children)))
    return MergeTree(labels, np.array(children, np.int32).reshape(-1, 2), heights)


def random_graph(rng: np.random.Generator, n_nodes: int, levels: int):
    """Distinct pairs in lexical order, weights with ties, counts."""
    low, high = np.triu_indices(n_nodes, 1)
    chosen = rng.random(len(low)) < rng.uniform(0.2, 1.0)
    pairs = np.stack([low, high], axis=1)[chosen].astype(np.int32)
    weights = rng.integers(0, levels, len(pairs)) / levels
    return pairs, weights, rng.integers(1, 9, len(pairs))


# ----------------------------------------------------------------- partition
def seeds_twin(interior: np.ndarray, footprint_size: int) -> np.ndarray:
    height, width = interior.shape
    before = footprint_size // 2
    after = footprint_size - before
    maxima = np.zeros(interior.shape, bool)
    for i in range(height):
        for j in range(width):
            rows = slice(max(i - before, 0), i + after)
            cols = slice(max(j - before, 0), j + after)
            maxima[i, j] = interior[i, j] == interior[rows, cols].max()
    if maxima.all():
        return np.zeros_like(maxima)
    framed = np.pad(np.ones((max(height - 2, 0), max(width - 2, 0)), bool), 1)
    framed = framed[:height, :width]
    return maxima & framed & (interior > interior.min())


def watershed_twin(relief: np.ndarray, markers: np.ndarray) -> np.ndarray:
    labels = markers.copy()
    queue = []
    for i, j in np.argwhere(markers):
        heapq.heappush(queue, (relief[i, j], len(queue), i, j))
    inserted = len(queue)
    while queue:
        _, _, i, j = heapq.heappop(queue)
        for di, dj in EIGHT:
            a, b = i + di, j + dj
            inside = 0 <= a < relief.shape[0] and 0 <= b < relief.shape[1]
            if inside and labels[a, b] == 0:
                labels[a, b] = labels[i, j]
                heapq.heappush(queue, (relief[a, b], inserted, a, b))
                inserted += 1
    return labels


# ----------------------------------------------------------------- boundaries
def thick_boundary_twin(labels: np.ndarray) -> np.ndarray:
    padded = np.pad(labels, 1, mode='edge')
    rows, cols = labels.shape
    shifted = [padded[1 + i : 1 + i + rows, 1 + j : 1 + j + cols] for i, j in FOUR]
    return np.any([view != labels for view in shifted], axis=0)


def orientation_twin(edge_map: np.ndarray) -> np.ndarray:
    triangle = np.array([1, 2, 3, 4, 5, 4, 3, 2, 1], float)
    kernel = np.outer(triangle, triangle) / 625
    smooth = signal.convolve2d(edge_map, kernel, mode='same')
    second = np.array([[-1.0, 2.0, -1.0]])
    across_columns = signal.convolve2d(smooth, second, mode='same')
    across_rows = signal.convolve2d(smooth, second.T, mode='same')
    cross = signal.correlate2d(smooth, [[1, 0, -1], [0, 0, 0], [-1, 0, 1]], mode='same')
    across_columns[cross > 0] *= -1
    return np.arctan2(across_columns, across_rows) % np.pi


# ----------------------------------------------------------------- region graph
def region_graph_twin(labels, edge_map, legacy):
    """Mapping from pairs of leaves to the list of their samples."""
    padded = np.pad(labels, 1, mode='symmetric')
    samples: dict[tuple[int, int], list[float]] = {}
    for (i, j), own in np.ndenumerate(labels):
        window = {int(label) for label in padded[i : i + 3, j : j + 3].ravel()}
        if legacy:
            window = {min(window), max(window)}
        for other in window - {int(own)}:
            pair = (min(own, other) - 1, max(own, other) - 1)
            samples.setdefault(pair, []).append(edge_map[i, j])
    return samples


def combine_twin(linkage, w1, c1, w2, c2):
    if linkage == 'length_weighted':
        return np.clip((w1 * c1 + w2 * c2) / (c1 + c2), min(w1, w2), max(w1, w2))
    if linkage == 'legacy_mean':
        return (w1 + w2) / 2
    return min(w1, w2) if linkage == 'min' else max(w1, w2)


def merge_graph_twin(pairs, weights, counts, n_leaves, join_thresh, linkage):
    """Scan all edges for the least (weight, low, high) at each step."""
    edges = {
        (int(a), int(b)): (float(w), float(c))
        for (a, b), w, c in zip(pairs, weights, counts, strict=True)
    }
    children, heights = [], []
    while edges:
        (weight, _), (low, high) = min(((edges[p][0], p), p) for p in edges)
        if weight >= join_thresh:
            break
        merged = n_leaves + len(children)
        children.append((low, high))
        heights.append(weight)
        del edges[low, high]
        around: dict[int, tuple[float, float]] = {}
        for a, b in sorted(edges):
            if not {a, b} & {low, high}:
                continue
            neighbour = a if b in (low, high) else b
            w, c = edges.pop((a, b))
            if neighbour in around:
                w2, c2 = around[neighbour]
                w, c = combine_twin(linkage, w2, c2, w, c), c + c2
            around[neighbour] = (w, c)
        edges.update({(other, merged): value for other, value in around.items()})
    return np.array(children, np.int32).reshape(-1, 2), np.array(heights)


# ----------------------------------------------------------------- tree
def node_masks_twin(tree: MergeTree) -> np.ndarray:
    masks = [tree.labels == leaf + 1 for leaf in range(tree.n_leaves)]
    for one, other in tree.children:
        masks.append(masks[one] | masks[other])
    return np.array(masks)


def rings_twin(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inner ring and both rings of a mask."""
    both = thick_boundary_twin(mask)
    return both & mask, both


def statistics_twin(mask: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    inner, both = rings_twin(mask)
    rows, cols = np.nonzero(mask)
    box = [
        cols.min(),
        rows.min(),
        cols.max() - cols.min() + 1,
        rows.max() - rows.min() + 1,
    ]
    return {
        'area': mask.sum(),
        'inner_area': inner.sum(),
        'ring_area': both.sum(),
        'total': weights[mask].sum(),
        'inner_total': weights[inner].sum(),
        'ring_total': weights[both].sum(),
        'sides': [mask[0].sum(), mask[-1].sum(), mask[:, 0].sum(), mask[:, -1].sum()],
        'boxes': box,
    }


def select_twin(
    order, scores, masks: np.ndarray, threshold: float, diversity: float = 0.0
) -> list[tuple[int, float]]:
    """Choose nodes and their scores, comparing all pairs of masks anew each time."""
    chosen: list[tuple[int, float]] = []
    left = list(range(len(order)))
    while left:
        candidates = []
        for place in left:
            mask = masks[order[place]]
            overlap = max(
                ((mask & masks[k]).sum() / (mask | masks[k]).sum() for k, _ in chosen),
                default=0.0,
            )
            score = scores[place]
            if score > 0:
                score *= 1 - diversity * overlap
            if overlap <= threshold:
                candidates.append((-score, place))
        if not candidates:
            break
        score, place = min(candidates)
        chosen.append((int(order[place]), -score))
        left.remove(place)
    return chosen


def separation_twin(tree: MergeTree, one: int, other: int) -> float:
    """Height at which two leaves meet, by walking up; 1 if they never do."""
    if one == other:
        return 0.0
    lineages = []
    for node in (one, other):
        lineage = [node]
        while tree.parents[lineage[-1]] >= 0:
            lineage.append(int(tree.parents[lineage[-1]]))
        lineages.append(lineage)
    common = [node for node in lineages[0] if node in lineages[1]]
    return float(tree.heights[common[0]]) if common else 1.0


def is_monotone(tree: MergeTree) -> bool:
    inner = tree.parents >= 0
    rises = tree.heights[tree.parents[inner]] >= tree.heights[inner]
    in_order = all(a <= b for a, b in pairwise(tree.heights[tree.n_leaves :]))
    return bool(rises.all()) and in_order
