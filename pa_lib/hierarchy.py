"""Merge tree of the regions of a partition: cuts, contour map, masks and overlaps.

References: Arbelaez et al., Contour Detection and Hierarchical Image Segmentation, PAMI
2011, for the ultrametric contour map; Bender and Farach-Colton, The LCA Problem
Revisited, LATIN 2000, for ancestors as range maxima.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from pa_lib.cython_lib import (
    encode_intervals,
    leaf_intervals,
    merge_graph,
    node_statistics,
)
from pa_lib.node_statistics import NodeStatistics
from pa_lib.resampling import resize_nearest


class MergeTree:
    """Binary forest over the regions of a partition.

    Nodes 0..L-1 are the leaves (node i is the region with label i + 1), nodes L, L + 1,
    ... are the merges in the order in which they happened, so a parent's id is above
    its children's. A node is a set of pixels; two nodes are nested or disjoint.

    Args:
        labels: (H, W) int32 array with labels 1..L, each in use.
        children: (M, 2) int32 array; merge m makes the node L + m out of two nodes.
        heights: (M,) float array, non-decreasing from child to parent: the boundary
            strength at which the two met.

    Raises:
        ValueError: If labels or children are not as described.

    Attributes:
        labels: (H, W) int32 array, the finest partition.
        n_leaves: Number of leaves L.
        n_nodes: Number of nodes L + M.
        children: (M, 2) int32 array.
        heights: (n_nodes,) float64 array, 0 for leaves.
        parents: (n_nodes,) int32 array, -1 for roots.
        areas: (n_nodes,) int64 array, px.
        intervals: (n_nodes, 2) int32 array; the leaves of a node are those whose
            depth-first rank (see `rank_map`) is in [first, end).

    Example:
        >>> tree = MergeTree(np.array([[1, 2, 3]]), np.array([[0, 1]]), np.array([0.4]))
        >>> tree.parents.tolist(), tree.areas.tolist()
        ([3, 3, -1, -1], [1, 1, 1, 2])
        >>> tree.cut(0.4)
        array([[2, 2, 1]], dtype=int32)
    """

    def __init__(
        self, labels: np.ndarray, children: np.ndarray, heights: np.ndarray
    ) -> None:
        self.labels = np.ascontiguousarray(labels, np.int32)
        self.children = np.ascontiguousarray(children, np.int32).reshape(-1, 2)
        leaf_areas = _leaf_areas(self.labels)
        self.n_leaves = len(leaf_areas)
        _check_children(self.children, heights, self.n_leaves)
        self.n_nodes = self.n_leaves + len(self.children)
        self.heights = np.concatenate([np.zeros(self.n_leaves), heights])
        self.parents = np.full(self.n_nodes, -1, np.int32)
        merged = np.arange(self.n_leaves, self.n_nodes, dtype=np.int32)
        self.parents[self.children] = merged[:, None]
        first, end, self._ancestors = leaf_intervals(self.children, self.n_leaves)
        self.intervals = np.stack([first, end], axis=1)
        self.areas = self._sum_leaves(leaf_areas)

    @classmethod
    def from_graph(
        cls,
        labels: np.ndarray,
        pairs: np.ndarray,
        weights: np.ndarray,
        counts: np.ndarray,
        join_thresh: float,
        linkage: str = 'length_weighted',
    ) -> MergeTree:
        """Build the tree by greedy agglomeration of a region adjacency graph.

        Args:
            labels: (H, W) int32 array with labels 1..L, each in use.
            pairs: (E, 2) int32 array of adjacent regions, indices from 0.
            weights: (E,) float array, boundary strength between them.
            counts: (E,) int array, boundary length between them.
            join_thresh: Regions merge while the strength is strictly below it.
            linkage: How two boundaries to the same neighbour become one; see
                `pa_lib.cython_lib.merge_graph`.

        Returns:
            The tree; a forest where the threshold stopped it early.

        Example:
            >>> tree = MergeTree.from_graph(
            ...     np.array([[1, 2]]), np.array([[0, 1]]), [0.3], [2], join_thresh=1.0)
            >>> tree.heights.tolist()
            [0.0, 0.0, 0.3]
        """
        children, heights = merge_graph(
            pairs, weights, counts, int(labels.max()), join_thresh, linkage
        )
        return cls(labels, children, heights)

    def cut(self, height: float) -> np.ndarray:
        """Partition the image by all merges up to a height, that height included.

        Takes O(N + n log n) time.

        Args:
            height: Merges at or below it are applied; a negative one gives the leaves,
                an infinite one the roots.

        Returns:
            (H, W) int32 array with labels 1..R, in the order of node ids.
        """
        parents = np.where(self.parents < 0, np.arange(self.n_nodes), self.parents)
        top = np.where(
            self.heights[parents] <= height, parents, np.arange(len(parents))
        )
        while not np.array_equal(top, top[top]):
            top = top[top]
        _, region = np.unique(top[: self.n_leaves], return_inverse=True)
        return (region.astype(np.int32) + 1)[self.labels - 1]

    def ucm(self) -> np.ndarray:
        """Draw the ultrametric contour map at double resolution.

        Pixel (i, j) stands at (2i + 1, 2j + 1), the element between two neighbours
        holds the height at which they are merged, 0 within a region and 1 where they
        never are; a corner holds the maximum of the elements that meet there, and the
        frame is 0. Within the frame, ``ucm[1:-1, 1:-1] <= t`` has the regions of
        ``cut(t)`` as its 4-connected components, as long as t is below 1 and regions
        are 4-connected. Takes O(N) time.

        Returns:
            (2H + 1, 2W + 1) float32 array.

        Example:
            >>> tree = MergeTree(np.array([[1, 2]]), np.array([[0, 1]]), [0.5])
            >>> tree.ucm()
            array([[0. , 0. , 0. , 0. , 0. ],
                   [0. , 0. , 0.5, 0. , 0. ],
                   [0. , 0. , 0. , 0. , 0. ]], dtype=float32)
        """
        height, width = self.labels.shape
        ranks = self.rank_map
        ucm = np.zeros((2 * height + 1, 2 * width + 1), np.float32)
        ucm[2:-1:2, 1::2] = self._separation(ranks[:-1], ranks[1:])
        ucm[1::2, 2:-1:2] = self._separation(ranks[:, :-1], ranks[:, 1:])
        corners = np.maximum(ucm[2:-1:2, 1:-2:2], ucm[2:-1:2, 3::2])
        corners = np.maximum(corners, ucm[1:-2:2, 2:-1:2])
        ucm[2:-1:2, 2:-1:2] = np.maximum(corners, ucm[3::2, 2:-1:2])
        return ucm

    def masks(
        self, node_ids: np.ndarray, size: tuple[int, int] | None = None
    ) -> np.ndarray:
        """Draw nodes as masks.

        Takes O(k h w) time, two comparisons a pixel and mask.

        Args:
            node_ids: (k,) int array.
            size: Height and width of the masks; the partition is resized to it by
                nearest neighbour. The size of the partition if left out.

        Returns:
            (k, h, w) bool array.

        Example:
            >>> tree = MergeTree(np.array([[1, 2, 3]]), np.array([[0, 1]]), [0.4])
            >>> tree.masks([3, 2]).astype(int).tolist()
            [[[1, 1, 0]], [[0, 0, 1]]]
        """
        node_ids = np.asarray(node_ids, np.intp)
        ranks = resize_nearest(self.rank_map, size or self.labels.shape)
        first, end = self.intervals[node_ids].T[..., None, None]
        return (ranks >= first) & (ranks < end)

    def rles(
        self, node_ids: np.ndarray, size: tuple[int, int] | None = None
    ) -> list[dict]:
        """Encode nodes as masks, none of which is drawn.

        Takes O(N) time once, then for each node the time of the runs between its first
        and its last pixel.

        Args:
            node_ids: (k,) int array.
            size: As in `masks`.

        Returns:
            One COCO run-length encoding a node, ready for JSON: `size` (height, width)
            and `counts` (compressed, as a string).

        Example:
            >>> tree = MergeTree(np.array([[1, 2, 3]]), np.array([[0, 1]]), [0.4])
            >>> tree.rles([3])
            [{'size': [1, 3], 'counts': '021'}]
        """
        size = tuple(size or self.labels.shape)
        starts, ranks = _column_runs(resize_nearest(self.rank_map, size))
        intervals = self.intervals[np.asarray(node_ids, np.intp)]
        encoded = encode_intervals(starts, ranks, intervals, self.n_leaves)
        return [
            {'size': list(size), 'counts': text.decode('ascii')} for text in encoded
        ]

    def mask_ious(self, masks: np.ndarray) -> np.ndarray:
        """Measure the overlap of given masks with every node.

        Takes O(K (N + n)) time for K masks, with no node drawn.

        Args:
            masks: (K, H, W) bool array at the size of the partition.

        Returns:
            (K, n_nodes) float64 array of intersections over unions; 0 for empty masks.

        Raises:
            ValueError: If the masks have another size.

        Example:
            >>> tree = MergeTree(np.array([[1, 2]]), np.array([[0, 1]]), [0.5])
            >>> tree.mask_ious(np.array([[[True, False]]])).tolist()
            [[1.0, 0.0, 0.5]]
        """
        masks = np.asarray(masks)
        if masks.ndim != 3 or masks.shape[1:] != self.labels.shape:
            raise ValueError(
                f'masks have the shape {masks.shape}, expected (K, H, W) with the size '
                f'{self.labels.shape} of the partition'
            )
        leaves = self.labels - 1
        overlaps = np.zeros((len(masks), self.n_leaves), np.int64)
        for mask, overlap in zip(masks.astype(bool), overlaps, strict=True):
            overlap += np.bincount(leaves[mask], minlength=self.n_leaves)
        intersections = self._sum_leaves(overlaps)
        sizes = overlaps.sum(axis=1, keepdims=True)
        return intersections / (self.areas + sizes - intersections)

    def statistics(self, weights: np.ndarray) -> NodeStatistics:
        """Compute areas, rings, weighted sums and boxes of all nodes at once.

        Takes O(N + n log n) time for N pixels and n nodes.

        Args:
            weights: (H, W) float array to sum.

        Returns:
            The statistics, one entry a node.

        Example:
            >>> tree = MergeTree(np.array([[1, 1, 2]]), np.array([[0, 1]]), [0.5])
            >>> stats = tree.statistics(np.array([[0.5, 1.0, 2.0]]))
            >>> stats.ring_area.tolist(), stats.ring_total.tolist()
            ([2, 2, 0], [3.0, 3.0, 0.0])
        """
        counts, sums, sides, extents = node_statistics(
            self.labels,
            weights,
            self.parents,
            self.intervals[: self.n_leaves, 0],
            self._range_maxima,
        )
        y_min, x_min, y_max, x_max = extents.astype(np.int64).T
        boxes = [x_min, y_min, x_max - x_min + 1, y_max - y_min + 1]
        return NodeStatistics(
            *counts.T, *sums.T, sides=sides, boxes=np.stack(boxes, axis=1)
        )

    @cached_property
    def rank_map(self) -> np.ndarray:
        """(H, W) int32 array, depth-first rank of the leaf at each pixel."""
        return self.intervals[: self.n_leaves, 0][self.labels - 1]

    @cached_property
    def _range_maxima(self) -> np.ndarray:
        """(K, L - 1) int32: row k has the maxima of 2^k ancestors from each rank on."""
        rows = [self._ancestors]
        step = 1
        while 2 * step < self.n_leaves:
            row = rows[-1].copy()
            row[:-step] = np.maximum(row[:-step], row[step:])
            rows.append(row)
            step *= 2
        return np.stack(rows)

    def _sum_leaves(self, leaf_values: np.ndarray) -> np.ndarray:
        """Sum integers over the leaves of each node, as differences of prefix sums."""
        order = np.argsort(self.intervals[: self.n_leaves, 0])
        prefix = np.cumsum(leaf_values[..., order], axis=-1)
        prefix = np.concatenate([np.zeros_like(prefix[..., :1]), prefix], axis=-1)
        first, end = self.intervals.T
        return prefix[..., end] - prefix[..., first]

    def _separation(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Height at which the leaves at two arrays of ranks are merged."""
        separation = np.zeros(one.shape)
        differs = one != other
        low = np.minimum(one, other)[differs]
        span = np.maximum(one, other)[differs] - low
        level = np.frexp(span)[1] - 1  # floor(log2(span)), exact for integers
        table = self._range_maxima
        ancestor = np.maximum(
            table[level, low], table[level, low + span - (1 << level)]
        )
        separation[differs] = np.append(self.heights, 1.0)[ancestor]
        return separation


def _column_runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the runs of equal values down the columns of a map.

    Returns the first pixel of each run, followed by the number of pixels, and the value
    of each run.
    """
    flat = values.T.ravel()
    inner = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], inner, [len(flat)]])
    return starts, flat[starts[:-1]]


def _leaf_areas(labels: np.ndarray) -> np.ndarray:
    """Count the pixels of each label; refuse label maps that are no partition."""
    if labels.ndim != 2 or labels.size == 0:
        raise ValueError(f'labels must be a map (H, W), got the shape {labels.shape}')
    if labels.min() < 1:
        raise ValueError(f'labels must count from 1, but the lowest is {labels.min()}')
    areas = np.bincount(labels.ravel())[1:].astype(np.int64)
    if (areas == 0).any():
        unused = int(np.argmin(areas)) + 1
        raise ValueError(f'labels must be consecutive, but {unused} is not in use')
    return areas


def _check_children(children: np.ndarray, heights: np.ndarray, n_leaves: int) -> None:
    """Refuse merges that do not make a forest."""
    if len(heights) != len(children):
        raise ValueError(f'{len(children)} merges need as many heights: {len(heights)}')
    merged = np.arange(n_leaves, n_leaves + len(children))[:, None]
    once = len(np.unique(children)) == children.size
    if not once or (children < 0).any() or (children >= merged).any():
        raise ValueError('each merge must take two earlier nodes, each of them once')
