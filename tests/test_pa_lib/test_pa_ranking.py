import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twins import (
    node_masks_twin,
    property_settings,
    random_tree,
    rings_twin,
    select_twin,
)

from pa_lib import GroupingConfig, MergeTree
from pa_lib.cython_lib import select_nodes
from pa_lib.ranking import (
    choose_nodes,
    passes_filters,
    rank_candidates,
    rank_values,
)

UNFILTERED = {'filter_by_edge_method': 0, 'nms': 0}


def rank_nodes(tree, stats, config):
    """Score, filter and suppress, as grouping does."""
    order, scores = rank_candidates(tree, stats, config)
    places, scores = choose_nodes(tree, order, scores, config)
    return order[places], scores


def value_twin(mask, weights, method):
    inner, both = rings_twin(mask)
    core = mask & ~inner
    ring_total, core_total = weights[both].sum(), weights[core].sum()
    if method == 0:
        return ring_total / both.sum() if both.any() else 100
    if method == 1:
        return -weights[mask].mean()
    if method == 2:
        return -(weights[mask].sum() - 2 * ring_total) / mask.sum()
    if method == 3:
        if not (both.any() and core.any()):
            return 100
        return weights[both].mean() - weights[core].mean()
    return ring_total / (core_total + ring_total)


@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
@property_settings
def test_values_equal_twin(seed, method):
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, (6, 7), 8)
    weights = rng.uniform(0.1, 1, tree.labels.shape)
    values = rank_values(tree.statistics(weights), method)
    expected = [value_twin(mask, weights, method) for mask in node_masks_twin(tree)]
    assert values == pytest.approx(expected)


def square_in_ring():
    """Case B4: a square of 32 px a side in a 64x64 image, ring of weak affinity."""
    interior = np.full((64, 64), 0.9)
    interior[15:49, 15:49] = 0.1
    interior[17:47, 17:47] = 0.9
    labels = np.ones((64, 64), np.int32)
    labels[16:48, 16:48] = 2
    tree = MergeTree(labels, np.array([[0, 1]]), [0.9])
    return tree, tree.statistics(interior)


def test_case_b4_statistics_of_the_square():
    _, stats = square_in_ring()
    assert stats.area[:2].tolist() == [3072, 1024]
    assert stats.ring_area[1] == 252
    assert stats.inner_area[1] == 124
    assert stats.sides[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ('method', 'value'),
    [(0, 0.1), (1, -0.803125), (2, -0.75390625), (3, -0.8), (4, 0.0301724)],
)
def test_case_b4_rank_values(method, value):
    _, stats = square_in_ring()
    assert rank_values(stats, method)[1] == pytest.approx(value, abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 1.0]))
@property_settings
def test_case_b10_choice_equals_pairwise(seed, diversity):
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, (6, 6), 16)
    masks = node_masks_twin(tree)
    order = rng.permutation(tree.n_nodes)[: rng.integers(0, tree.n_nodes + 1)]
    # Few levels, so that ties are common; some below zero.
    scores = np.sort(rng.integers(-2, 6, len(order)) / 4)[::-1]
    for threshold in (0.05, 0.2, 0.5, 0.8):
        places, values = select_nodes(
            order, scores, tree.parents, tree.areas, threshold, diversity
        )
        expected = select_twin(order, scores, masks, threshold, diversity)
        assert order[places].tolist() == [node for node, _ in expected]
        assert values == pytest.approx([score for _, score in expected])
        assert (np.diff(values) <= 0).all()


def test_choice_refuses_scores_that_rise():
    tree = np.array([-1, -1], np.int32), np.array([1, 1])
    with pytest.raises(ValueError, match='the best first'):
        select_nodes([0, 1], [0.1, 0.2], *tree)
    with pytest.raises(ValueError, match='every candidate needs a score'):
        select_nodes([0, 1], [0.1], *tree)


@pytest.mark.parametrize(
    ('nms', 'kept'), [(0.2, 'AC'), (0.3, 'ABC'), (0.6, 'A root B C')]
)
def test_case_b11_laminar_suppression(nms, kept):
    # B 15 px and the rest of A 45 px make A; A and C 40 px make the root of 100 px.
    names = {'B': 0, 'rest': 1, 'C': 2, 'A': 3, 'root': 4}
    labels = np.repeat(np.array([1, 2, 3], np.int32), [15, 45, 40])[None]
    tree = MergeTree(labels, np.array([[0, 1], [2, 3]]), [0.1, 0.2])
    assert tree.areas.tolist() == [15, 45, 40, 60, 100]
    order = np.array([names[name] for name in ('A', 'root', 'B', 'C')])
    places, _ = select_nodes(order, np.ones(4), tree.parents, tree.areas, nms)
    survivors = order[places]
    expected = kept.split() if ' ' in kept else list(kept)
    assert survivors.tolist() == [names[name] for name in expected]


def corner_tree():
    """A mask on 30 px of the top row and 9 px of the left column of 10x40 px."""
    labels = np.ones((10, 40), np.int32)
    labels[0, :30] = 2
    labels[:9, 0] = 2
    return MergeTree(labels, np.array([[0, 1]]), [0.5])


@pytest.mark.parametrize(('legacy', 'kept'), [(False, False), (True, True)])
def test_case_b12_edge_filter_compares_sides_with_their_length(legacy, kept):
    tree = corner_tree()
    stats = tree.statistics(np.ones(tree.labels.shape))
    assert stats.sides[1].tolist() == [30, 0, 9, 0]
    config = GroupingConfig.ggn(
        filter_by_edge_method=1, filter_by_edge_thresh=0.5, legacy_edge_filter=legacy
    )
    assert passes_filters(stats, tree.labels.shape, config)[1] == kept


def test_edge_filter_2_drops_what_the_frame_bounds():
    tree = corner_tree()
    stats = tree.statistics(np.ones(tree.labels.shape))
    # Contact 39; every pixel of the mask but the corner touches the rest: b = 37.
    assert stats.inner_area[1] == 37
    for thresh, kept in ((1.0, False), (1.06, True)):
        config = GroupingConfig.ggn(
            filter_by_edge_method=2, filter_by_edge_thresh=thresh
        )
        keep = passes_filters(stats, tree.labels.shape, config)
        assert keep[1] == kept
        assert not keep[2]  # the whole image


def test_smallest_area_is_kept():
    tree = corner_tree()
    stats = tree.statistics(np.ones(tree.labels.shape))
    for size, kept in ((38, True), (39, False)):
        config = GroupingConfig.ggn(min_component_size=size, filter_by_edge_method=0)
        assert passes_filters(stats, tree.labels.shape, config)[1] == kept


@pytest.mark.parametrize('method', range(5))
@pytest.mark.parametrize('level', [0.0, 0.5])
def test_case_b13_whole_image_has_a_score(method, level):
    tree = corner_tree()
    stats = tree.statistics(np.full(tree.labels.shape, level))
    config = GroupingConfig.ggn(rank_method=method, **UNFILTERED)
    node_ids, scores = rank_nodes(tree, stats, config)
    assert sorted(node_ids.tolist()) == [0, 1, 2]
    assert scores.dtype == np.float64
    json.dumps(scores.tolist(), allow_nan=False)
    if method == 3:
        assert rank_values(stats, 3)[2] == 100
        assert scores[node_ids == 2] == -99


def test_unknown_rank_method():
    _, stats = square_in_ring()
    with pytest.raises(ValueError, match='0 to 4, got 5'):
        rank_values(stats, 5)


def test_equal_values_rank_by_node_id():
    labels = np.repeat(np.arange(1, 5, dtype=np.int32), 4)[None].repeat(3, axis=0)
    tree = MergeTree(labels, np.empty((0, 2)), [])
    stats = tree.statistics(np.full(labels.shape, 0.5))
    node_ids, _ = rank_nodes(
        tree, stats, GroupingConfig.ggn(rank_method=1, **UNFILTERED)
    )
    assert node_ids.tolist() == [0, 1, 2, 3]


def test_topk_cuts_after_suppression():
    rng = np.random.default_rng(0)
    tree = random_tree(rng, (12, 12), 30)
    stats = tree.statistics(rng.random(tree.labels.shape))
    config = {'filter_by_edge_method': 0, 'nms': 0.3}
    everything, _ = rank_nodes(tree, stats, GroupingConfig.ggn(**config))
    best, _ = rank_nodes(tree, stats, GroupingConfig.ggn(topk=4, **config))
    assert len(everything) > 4
    assert best.tolist() == everything[:4].tolist()
