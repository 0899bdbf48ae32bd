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
from pa_lib.ranking import choose_nodes, rank_candidates
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


@dataclass(frozen=True, eq=False)
class Candidates:
    """Nodes of a merge tree that compete as masks, before any is suppressed.

    What a judge that looks at more than the affinity needs: it scores the boxes, and
    `select` goes on from its scores.

    Attributes:
        scores: (n,) float64, falling; those of the rank method.
        boxes: (n, 4) int64, tight boxes (x, y, width, height) in pixels of the map.
        node_ids: (n,) int64, nodes of the tree.
        tree: The merge tree.
        config: Parameters of the grouping.
        timings: Seconds by step, and in total.
    """

    scores: np.ndarray
    boxes: np.ndarray
    node_ids: np.ndarray
    tree: MergeTree
    config: GroupingConfig
    timings: dict[str, float]

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, scores: np.ndarray | None = None) -> GroupingResult:
        """Choose the masks.

        Args:
            scores: (n,) float array to rank by, higher is better, in the order of the
                candidates; those of the rank method if left out. Ties keep that order.

        Returns:
            The masks that suppression and limit leave, with these scores.

        Raises:
            ValueError: If there is not one finite score a candidate.
        """
        start = time.perf_counter()
        node_ids, boxes = self.node_ids, self.boxes
        if scores is None:
            scores = self.scores
        else:
            scores = np.asarray(scores, np.float64)
            if scores.shape != node_ids.shape or not np.isfinite(scores).all():
                raise ValueError(
                    f'{len(node_ids)} candidates need as many finite scores, got an '
                    f'array of shape {scores.shape}'
                )
            order = np.argsort(-scores, kind='stable')
            node_ids, scores = node_ids[order], scores[order]
            boxes = boxes[order]
        places, scores = choose_nodes(self.tree, node_ids, scores, self.config)
        seconds = time.perf_counter() - start
        timings = dict(self.timings)
        timings['ranking'] += seconds
        timings['total'] += seconds
        node_ids = node_ids[places]
        return GroupingResult(
            scores=scores,
            boxes=boxes[places],
            areas=self.tree.areas[node_ids],
            node_ids=node_ids,
            labels=self.tree.labels,
            tree=self.tree,
            timings=timings,
        )


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
    return propose(affinity, config).select()


def propose(affinity: np.ndarray, config: GroupingConfig | None = None) -> Candidates:
    """Do all that `group` does, but for the choice among the candidates.

    Args:
        affinity: As for `group`.
        config: Parameters; the defaults if left out.

    Returns:
        The candidates; none where the map has no structure.

    Raises:
        ValueError: As `group`.

    Example:
        >>> affinity = np.repeat([[0.9, 0.9, 0.1, 0.9, 0.9]], 5, axis=0)
        >>> candidates = propose(affinity, GroupingConfig(footprint_size=2))
        >>> len(candidates), len(candidates.select(np.zeros(len(candidates))))
        (3, 3)
    """
    config = config or GroupingConfig()
    clock = _Clock()
    interior = interior_affinity(affinity)
    boundary = boundary_strength(interior)

    with clock.measure('watershed'):
        labels = finest_partition(interior, config.edge_thresh, config.footprint_size)
    if labels.max() == 1:
        return _no_candidates(labels, config, clock)

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
        node_ids, scores = rank_candidates(tree, stats, config)

    return Candidates(
        scores=scores,
        boxes=stats.boxes[node_ids],
        node_ids=node_ids,
        tree=tree,
        config=config,
        timings=clock.timings(),
    )


def _no_candidates(
    labels: np.ndarray, config: GroupingConfig, clock: _Clock
) -> Candidates:
    """Candidates of a map that is a single region: the region is none."""
    return Candidates(
        scores=np.empty(0, np.float64),
        boxes=np.empty((0, 4), np.int64),
        node_ids=np.empty(0, np.int64),
        tree=MergeTree(labels, np.empty((0, 2)), np.empty(0)),
        config=config,
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
