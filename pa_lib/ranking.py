"""Choice of masks among tree nodes: value, filters, suppression, diversity.

The value of a node says how badly its pixels fit an object: high affinity inside, low
on the boundary. Reference: Wang et al., CVPR 2022; the normalized cut (method 4) is
that of Shi and Malik, PAMI 2000.
"""

from __future__ import annotations

import numpy as np

from pa_lib.config import GroupingConfig
from pa_lib.cython_lib import select_nodes
from pa_lib.hierarchy import MergeTree
from pa_lib.learned_ranking import (
    DEFAULT_RANKER,
    LEARNED,
    load_ranker,
    node_features,
)
from pa_lib.node_statistics import NodeStatistics, divide

UNDEFINED_VALUE = 100.0
"""Value of nodes for which a rank method has nothing to measure: they rank last."""


def rank_candidates(
    tree: MergeTree, stats: NodeStatistics, config: GroupingConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Score the nodes of a tree that pass the filters.

    Args:
        tree: The merge tree.
        stats: Its statistics under the affinity to rank by.
        config: Rank method and filters.

    Returns:
        Tuple of the node ids ((k,) int64, best first, ties by id) and their scores
        ((k,) float64): one minus the value.
    """
    if config.rank_method == LEARNED:
        ranker = load_ranker(config.ranker or DEFAULT_RANKER)
        values = 1.0 - ranker(node_features(tree, stats))
    else:
        values = rank_values(stats, config.rank_method)
    candidates = np.flatnonzero(passes_filters(stats, tree.labels.shape, config))
    order = candidates[np.argsort(values[candidates], kind='stable')]
    return order, 1.0 - values[order]


def choose_nodes(
    tree: MergeTree, order: np.ndarray, scores: np.ndarray, config: GroupingConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Choose among scored nodes: suppression, diversity, limit.

    Args:
        tree: The merge tree.
        order: (n,) int64, ids of the candidates, best first.
        scores: (n,) float64, their scores, falling.
        config: `nms`, `diversity` and `topk` are read.

    Returns:
        Tuple of their places among the candidates ((k,) int, best first) and their
        scores ((k,) float64), less what diversity takes away.
    """
    return select_nodes(
        order,
        scores,
        tree.parents,
        tree.areas,
        config.nms or 1.0,
        config.diversity,
        config.topk,
    )


def rank_values(stats: NodeStatistics, method: int) -> np.ndarray:
    """Compute the value of all nodes; lower is better.

    With P the weights, S the pixels of a node and T its inner and outer ring:

    ====== ==============================================
    method value
    ====== ==============================================
    0      mean of P on T
    1      - mean of P on S
    2      - (sum of P on S - 2 sum of P on T) / area of S
    3      mean of P on T - mean of P on S without T
    4      sum on T / (sum on S without T + sum on T)
    ====== ==============================================

    Args:
        stats: Statistics of n nodes.
        method: 0 to 4.

    Returns:
        (n,) float64 array; 100 where a mean or ratio has nothing to be taken of.
    """
    core_total = stats.total - stats.inner_total
    if method == 0:
        return divide(stats.ring_total, stats.ring_area, UNDEFINED_VALUE)
    if method == 1:
        return -stats.total / stats.area
    if method == 2:
        return -(stats.total - 2.0 * stats.ring_total) / stats.area
    if method == 3:
        core_area = stats.area - stats.inner_area
        ring_mean = divide(stats.ring_total, stats.ring_area, UNDEFINED_VALUE)
        core_mean = divide(core_total, core_area, UNDEFINED_VALUE)
        undefined = (stats.ring_area == 0) | (core_area == 0)
        return np.where(undefined, UNDEFINED_VALUE, ring_mean - core_mean)
    if method == 4:
        return divide(stats.ring_total, core_total + stats.ring_total, UNDEFINED_VALUE)
    raise ValueError(f'rank_method must be 0 to 4, got {method!r}')


def passes_filters(
    stats: NodeStatistics, shape: tuple[int, int], config: GroupingConfig
) -> np.ndarray:
    """Tell which nodes are large enough and not cut off by the frame.

    Args:
        stats: Statistics of n nodes.
        shape: Height and width of the image, px.
        config: `min_component_size`, `filter_by_edge_method`, `filter_by_edge_thresh`
            and `legacy_edge_filter` are read.

    Returns:
        (n,) bool array.
    """
    keep = stats.area >= config.min_component_size
    if config.filter_by_edge_method == 1:
        height, width = shape
        lengths = np.array([width, width, height, height])
        if config.legacy_edge_filter:
            lengths = lengths[::-1]
        crowded = stats.sides > config.filter_by_edge_thresh * lengths
        keep &= crowded.sum(axis=1) <= 1
    elif config.filter_by_edge_method == 2:
        contact = stats.sides.sum(axis=1)
        keep &= contact <= config.filter_by_edge_thresh * stats.inner_area
    return keep
