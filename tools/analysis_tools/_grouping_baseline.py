"""The grouping of GGN as a reader of the paper would write it with scikit-image.

A yardstick for `benchmark_grouping.py`, with no cleverness: graphs are networkx graphs,
segments are sets of leaves, and each one is drawn to be ranked. Parameters are those of
`pa_lib.GroupingConfig.ggn`.
"""

from __future__ import annotations

import heapq
import time
from itertools import count

import numpy as np
from pycocotools import mask as coco_mask
from scipy import ndimage, sparse
from scipy.signal import convolve2d
from scipy.sparse.linalg import eigsh
from skimage.graph import rag_boundary
from skimage.segmentation import find_boundaries, watershed


def group_plainly(affinity: np.ndarray, globalization: float, topk: int = 100) -> dict:
    """Group an affinity map (H, W) in [0, 1].

    Returns:
        dict: ``rles`` of the best masks, ``n_leaves``, and ``seconds`` by step.
    """
    clock = _Clock()
    labels = _partition(affinity)
    clock.tick('watershed')
    lines = find_boundaries(labels, connectivity=1, mode='thick')
    agreement = np.abs(np.cos(_orientation(lines) - _orientation(1 - affinity)))
    boundary = agreement * lines * (1 - affinity)
    clock.tick('orientation')
    if globalization:
        spectral = _spectral_boundary(boundary)
        boundary = (1 - globalization) * boundary + globalization * spectral
        clock.tick('globalization')
    graph = rag_boundary(labels, boundary, connectivity=2)
    clock.tick('region graph')
    segments = _merge(graph)
    clock.tick('merging')
    masks, scores = _rank(segments, labels, affinity)
    clock.tick('ranking')
    kept = _suppress(masks, scores, limit=0.2)[:topk]
    clock.tick('suppression')
    rles = [coco_mask.encode(np.asfortranarray(masks[k].view(np.uint8))) for k in kept]
    clock.tick('encoding')
    return {'rles': rles, 'n_leaves': int(labels.max()), 'seconds': clock.seconds}


def _partition(affinity: np.ndarray, footprint: int = 20) -> np.ndarray:
    maxima = affinity == ndimage.maximum_filter(affinity, footprint)
    maxima[[0, -1]] = maxima[:, [0, -1]] = False
    markers, _ = ndimage.label(maxima & (affinity > 0))
    return watershed(-affinity, markers, connectivity=2)


def _orientation(edges: np.ndarray) -> np.ndarray:
    triangle = np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25
    smooth = convolve2d(edges.astype(float), np.outer(triangle, triangle), mode='same')
    second = np.array([[-1, 2, -1]])
    across_columns = convolve2d(smooth, second, mode='same')
    across_rows = convolve2d(smooth, second.T, mode='same')
    diagonal = convolve2d(smooth, [[1, 0, -1], [0, 0, 0], [-1, 0, 1]], mode='same')
    across_columns = np.where(diagonal > 0, -across_columns, across_columns)
    return np.arctan2(across_columns, across_rows) % np.pi


def _spectral_boundary(
    boundary: np.ndarray, nvec: int = 16, gamma: float = 0.12
) -> np.ndarray:
    index = np.arange(boundary.size).reshape(boundary.shape)
    flat = boundary.ravel()
    one = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    two = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    weights = np.exp(-np.maximum(flat[one], flat[two]) / gamma)
    affinity = sparse.csr_array((weights, (one, two)), shape=(flat.size, flat.size))
    affinity = affinity + affinity.T + sparse.eye_array(flat.size)
    degree = sparse.diags_array(affinity.sum(axis=0))
    values, vectors = eigsh(
        (degree - affinity).tocsc(), k=nvec, M=degree.tocsc(), sigma=-1e-6
    )
    total = np.zeros(boundary.shape)
    for value, vector in list(zip(values, vectors.T, strict=True))[1:]:
        image = (vector - vector.min()) / np.ptp(vector)
        image = image.reshape(boundary.shape)
        highest = ndimage.maximum_filter(image, footprint=_CROSS)
        lowest = ndimage.minimum_filter(image, footprint=_CROSS)
        jump = np.maximum(highest - image, image - lowest)
        total += jump / np.sqrt(max(value, 1e-9))
    total **= 1 / np.sqrt(2)
    return total / total.max()


_CROSS = ndimage.generate_binary_structure(2, 1)


def _merge(graph) -> list[frozenset]:
    """Merge the two regions with the weakest boundary until one is left."""
    segments = {node: frozenset([node]) for node in graph}
    everything = list(segments.values())
    heap = [(data['weight'], *sorted(edge)) for *edge, data in graph.edges(data=True)]
    heapq.heapify(heap)
    fresh = count(max(graph) + 1)
    while heap:
        weight, one, two = heapq.heappop(heap)
        if not graph.has_edge(one, two) or graph[one][two]['weight'] != weight:
            continue
        new = next(fresh)
        for neighbour in (set(graph[one]) | set(graph[two])) - {one, two}:
            edges = [
                graph[old][neighbour]
                for old in (one, two)
                if graph.has_edge(old, neighbour)
            ]
            length = sum(edge['count'] for edge in edges)
            total = sum(edge['weight'] * edge['count'] for edge in edges)
            graph.add_edge(new, neighbour, weight=total / length, count=length)
            heapq.heappush(heap, (total / length, neighbour, new))
        graph.remove_nodes_from([one, two])
        segments[new] = segments.pop(one) | segments.pop(two)
        everything.append(segments[new])
    return everything


def _rank(
    segments: list[frozenset], labels: np.ndarray, affinity: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Draw and score the segments; those along the frame of the image are dropped."""
    masks, scores = [], []
    for segment in segments:
        mask = np.isin(labels, list(segment))
        ring = find_boundaries(mask, connectivity=1, mode='thick')
        core = mask & ~ring
        frame = sum(side.sum() for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
        if frame > 0.9 * (mask & ring).sum() or not core.any():
            continue
        masks.append(mask)
        scores.append(1 + affinity[core].mean() - affinity[ring].mean())
    return masks, np.array(scores)


def _suppress(masks: list[np.ndarray], scores: np.ndarray, limit: float) -> list[int]:
    """Drop the masks that overlap a better one."""
    areas = [mask.sum() for mask in masks]
    kept: list[int] = []
    for k in np.argsort(-scores, kind='stable'):
        for other in kept:
            shared = np.count_nonzero(masks[k] & masks[other])
            if shared > limit * (areas[k] + areas[other] - shared):
                break
        else:
            kept.append(int(k))
    return kept


class _Clock:
    def __init__(self):
        self.seconds = {}
        self._last = time.perf_counter()

    def tick(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = now - self._last
        self._last = now
