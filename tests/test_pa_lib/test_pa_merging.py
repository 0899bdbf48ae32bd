import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twins import is_monotone, merge_graph_twin, property_settings, random_graph

from pa_lib import MergeTree
from pa_lib.cython_lib import LINKAGES, merge_graph

TRIANGLE = np.array([[0, 1], [0, 2], [1, 2]], np.int32)
WEIGHTS = np.array([0.1, 0.5, 0.7])
ONES = np.ones(3, np.int64)


@pytest.mark.parametrize(
    ('join_thresh', 'n_segments'), [(0.6, 4), (0.61, 5), (1.0, 5), (0.1, 3)]
)
def test_case_b6_triangle(join_thresh, n_segments):
    children, heights = merge_graph(
        TRIANGLE, WEIGHTS, ONES, 3, join_thresh, 'legacy_mean'
    )
    assert 3 + len(children) == n_segments
    assert children.tolist() == [[0, 1], [2, 3]][: n_segments - 3]
    assert heights == pytest.approx([0.1, 0.6][: n_segments - 3])


def test_case_b6_length_weighted():
    _, heights = merge_graph(TRIANGLE, WEIGHTS, [1, 3, 1], 3, 1.0, 'length_weighted')
    assert heights == pytest.approx([0.1, 0.55])


@pytest.mark.parametrize(('linkage', 'height'), [('min', 0.5), ('max', 0.7)])
def test_extreme_linkages(linkage, height):
    _, heights = merge_graph(TRIANGLE, WEIGHTS, ONES, 3, 1.0, linkage)
    assert heights.tolist() == [0.1, height]


def test_unknown_linkage():
    with pytest.raises(ValueError, match=r"'mean'.*length_weighted"):
        merge_graph(TRIANGLE, WEIGHTS, ONES, 3, 1.0, 'mean')


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 10),
    st.sampled_from([3, 10, 10**6]),
    st.sampled_from(LINKAGES),
    st.sampled_from([0.3, 0.7, 1.0]),
)
@property_settings
def test_merging_equals_twin(seed, n_nodes, levels, linkage, join_thresh):
    graph = random_graph(np.random.default_rng(seed), n_nodes, levels)
    arguments = (*graph, n_nodes, join_thresh, linkage)
    children, heights = merge_graph(*arguments)
    expected_children, expected_heights = merge_graph_twin(*arguments)
    np.testing.assert_array_equal(children, expected_children)
    np.testing.assert_array_equal(heights, expected_heights)


@pytest.mark.parametrize('linkage', LINKAGES)
@pytest.mark.parametrize('levels', [3, 10, 10**9])
def test_case_b6b_heights_never_decrease(linkage, levels):
    labels = np.arange(1, 61, dtype=np.int32).reshape(6, 10)
    for seed in range(20):
        graph = random_graph(np.random.default_rng(seed), 60, levels)
        assert is_monotone(MergeTree.from_graph(labels, *graph, 2.0, linkage))


def test_equal_weights_merge_by_node_id():
    pairs = np.array([[0, 3], [1, 2], [2, 3]], np.int32)
    children, _ = merge_graph(pairs, np.full(3, 0.2), np.ones(3), 4, 1.0)
    assert children.tolist() == [[0, 3], [1, 2], [4, 5]]


def test_star_merges_all_leaves_into_the_hub():
    n_leaves = 500
    pairs = np.array([[0, leaf] for leaf in range(1, n_leaves)], np.int32)
    weights = np.linspace(0.9, 0.1, n_leaves - 1)
    children, heights = merge_graph(pairs, weights, np.ones(len(pairs)), n_leaves, 1.0)
    assert len(children) == n_leaves - 1
    assert heights.tolist() == weights[::-1].tolist()


def test_graph_without_edges():
    children, heights = merge_graph(np.empty((0, 2)), [], [], 1, 1.0)
    assert children.shape == (0, 2)
    assert heights.shape == (0,)


@pytest.mark.parametrize(
    ('pairs', 'weights', 'counts', 'message'),
    [
        ([[0, 1]], [0.1, 0.2], [1], r'pairs \(1, 2\), weights \(2,\)'),
        ([[0, 3]], [0.1], [1], 'regions 0 to 2'),
        ([[-1, 0]], [0.1], [1], 'regions 0 to 2'),
        ([[1, 1]], [0.1], [1], 'join different regions'),
        ([[0, 1], [1, 0]], [0.1, 0.2], [1, 1], 'distinct'),
        ([[0, 1]], [np.nan], [1], 'weights must be finite'),
        ([[0, 1]], [0.1], [0], 'counts positive'),
    ],
)
def test_bad_graphs_are_refused(pairs, weights, counts, message):
    with pytest.raises(ValueError, match=message):
        merge_graph(pairs, weights, counts, 3, 1.0)
