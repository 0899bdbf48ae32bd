"""From an affinity map to ranked masks: the whole pipeline on one page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pa_lib.affinity import boundary_strength, interior_affinity
from pa_lib.boundaries import align_boundary, thick_boundary
from pa_lib.config import GroupingConfig
from pa_lib.cython_lib import region_graph
from pa_lib.hierarchy import MergeTree
from pa_lib.partition import finest_partition
from pa_lib.ranking import rank_nodes
from pa_lib.region_spectral import draw_pairs, globalize_regions
from pa_lib.spectral import globalize

STEPS = (
    'watershed',
    'boundaries',
    'globalization',
    'region_graph',
    'merge',
    'statistics',
    'ranking',
)


@dataclass(frozen=True, eq=False)
class GroupingResult:
    """Masks found in an affinity map, best first, and the hierarchy they come from.

    Attributes:
        scores: (n,) float64, falling; the meaning depends on the rank method.
        boxes: (n, 4) int64, tight boxes (x, y, width, height) in pixels of the map.
        areas: (n,) int64, in pixels of the map.
        node_ids: (n,) int64, nodes of the tree.
        labels: (H, W) int32, the finest partition, labels from 1.
        tree: The merge tree over the partition.
        timings: Seconds by step, and in total.
    """

    scores: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    node_ids: np.ndarray
    labels: np.ndarray
    tree: MergeTree
    timings: dict[str, float]

    def __len__(self) -> int:
        return len(self.scores)

    def masks(
        self, k: int | None = None, size: tuple[int, int] | None = None
    ) -> np.ndarray:
        """Draw the best masks.

        Args:
            k: Number of masks; all of them if left out.
            size: Height and width to resize to by nearest neighbour, px; the size of
                the map if left out.

        Returns:
            (k, h, w) bool array.
        """
        return self.tree.masks(self.node_ids[:k], size)

    def rles(
        self, k: int | None = None, size: tuple[int, int] | None = None
    ) -> list[dict]:
        """Encode the best masks without drawing them.

        Args:
            k: Number of masks; all of them if left out.
            size: Height and width to resize to by nearest neighbour, px; the size of
                the map if left out.

        Returns:
            One COCO run-length encoding a mask, ready for JSON: `size` (height, width)
            and `counts` (compressed, as a string).
        """
        return self.tree.rles(self.node_ids[:k], size)


def group(affinity: np.ndarray, config: GroupingConfig | None = None) -> GroupingResult:
    """Group an affinity map into ranked masks.

    The map is flooded into regions, the boundaries between them are weighted, regions
    are merged weakest boundary first, and all nodes of the merge tree compete as masks.
    Takes O(N log N) time for N pixels, plus the eigenvectors of the globalization.

    Reference: Wang et al., Open-World Instance Segmentation: Exploiting Pseudo Ground
    Truth From Learned Pairwise Affinity, CVPR 2022.

    Args:
        affinity: (H, W) or (C, H, W) float array in [0, 1], high inside objects; see
            `pa_lib.affinity.interior_affinity` for channels.
        config: Parameters; the defaults if left out.

    Returns:
        The masks; none, but of the right types, where the map has no structure.

    Raises:
        ValueError: If the affinity has a wrong shape or type, or NaN, infinite or
            out-of-range values.

    Example:
        >>> result = group(np.full((8, 8), 0.5, np.float32))
        >>> len(result), result.boxes.shape, int(result.labels.max())
        (0, (0, 4), 1)
    """
    config = config or GroupingConfig()
    clock = _Clock()
    interior = interior_affinity(affinity)
    boundary = boundary_strength(interior)

    with clock.measure('watershed'):
        labels = finest_partition(interior, config.edge_thresh, config.footprint_size)
    if labels.max() == 1:
        return _no_masks(labels, clock)

    if config.use_orientation:
        with clock.measure('boundaries'):
            boundary = align_boundary(boundary, thick_boundary(labels))
    if config.use_globalization and config.spectral == 'pixels':
        with clock.measure('globalization'):
            boundary = globalize(
                boundary,
                config.use_globalization,
                config.nvec,
                config.gamma,
                config.spectral_scale,
            )
    with clock.measure('region_graph'):
        pairs, weights, counts = region_graph(labels, boundary, config.rag == 'legacy')
    if config.use_globalization and config.spectral == 'regions':
        with clock.measure('globalization'):
            weights = globalize_regions(
                labels,
                boundary,
                pairs,
                weights,
                config.use_globalization,
                config.nvec,
                config.gamma,
            )
        if config.use_new_affinity:
            boundary = draw_pairs(labels, pairs, weights)
    with clock.measure('merge'):
        tree = MergeTree.from_graph(
            labels, pairs, weights, counts, config.join_thresh, config.linkage
        )
    with clock.measure('statistics'):
        if config.use_new_affinity:
            interior = np.where(thick_boundary(labels), 1.0 - boundary, interior)
        stats = tree.statistics(interior)
    with clock.measure('ranking'):
        node_ids, scores = rank_nodes(tree, stats, config)

    return GroupingResult(
        scores=scores,
        boxes=stats.boxes[node_ids],
        areas=tree.areas[node_ids],
        node_ids=node_ids,
        labels=labels,
        tree=tree,
        timings=clock.timings(),
    )


def _no_masks(labels: np.ndarray, clock: _Clock) -> GroupingResult:
    """Result of a map that is a single region."""
    return GroupingResult(
        scores=np.empty(0, np.float64),
        boxes=np.empty((0, 4), np.int64),
        areas=np.empty(0, np.int64),
        node_ids=np.empty(0, np.int64),
        labels=labels,
        tree=MergeTree(labels, np.empty((0, 2)), np.empty(0)),
        timings=clock.timings(),
    )


class _Clock:
    """Seconds by step; steps that do not run count 0."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._seconds = dict.fromkeys(STEPS, 0.0)

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._seconds[step] = time.perf_counter() - start

    def timings(self) -> dict[str, float]:
        return {**self._seconds, 'total': time.perf_counter() - self._start}
