import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from twins import (
    node_masks_twin,
    property_settings,
    random_tree,
    separation_twin,
    statistics_twin,
)

from pa_lib import MergeTree
from pa_lib.cython_lib import merge_graph, region_graph

trees = st.builds(
    lambda seed, shape, n_labels: random_tree(
        np.random.default_rng(seed), shape, n_labels
    ),
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.integers(1, 12),
)


@given(trees)
@property_settings
def test_nodes_are_what_their_children_make(tree):
    masks = node_masks_twin(tree)
    np.testing.assert_array_equal(tree.masks(np.arange(tree.n_nodes)), masks)
    np.testing.assert_array_equal(tree.areas, masks.sum(axis=(1, 2)))
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            assert parent > node
            assert node in tree.children[parent - tree.n_leaves]


@given(trees, st.integers(0, 2**32 - 1))
@property_settings
def test_case_b10_statistics_equal_masks(tree, seed):
    weights = np.random.default_rng(seed).random(tree.labels.shape)
    stats = tree.statistics(weights)
    for node, mask in enumerate(node_masks_twin(tree)):
        for name, expected in statistics_twin(mask, weights).items():
            measured = getattr(stats, name)[node]
            np.testing.assert_allclose(measured, expected, atol=1e-12, err_msg=name)


@given(trees, st.sampled_from([-1.0, 0.0, 0.3, 0.6, 1.0, np.inf]))
@property_settings
def test_cut_joins_what_meets_at_or_below_the_height(tree, height):
    labels = tree.cut(height)
    assert labels.dtype == np.int32
    assert np.unique(labels).tolist() == list(range(1, labels.max() + 1))
    for one in range(tree.n_leaves):
        for other in range(one):
            together = (
                labels[tree.labels == one + 1][0] == labels[tree.labels == other + 1][0]
            )
            separation = separation_twin(tree, one, other)
            never = (
                tree.cut(np.inf)[tree.labels == one + 1][0]
                != (tree.cut(np.inf)[tree.labels == other + 1][0])
            )
            assert together == (separation <= height and not never)


def test_cut_includes_the_height_itself():
    tree = MergeTree(np.array([[1, 2, 3]]), np.array([[0, 1], [2, 3]]), [0.2, 0.5])
    assert tree.cut(0.19).max() == 3
    assert tree.cut(0.2).tolist() == [[2, 2, 1]]
    assert tree.cut(0.5).max() == 1


@given(trees)
@property_settings
def test_ucm_holds_the_separation_of_neighbours(tree):
    ucm = tree.ucm()
    leaves = tree.labels - 1
    height, width = leaves.shape
    assert ucm.dtype == np.float32
    assert ucm.shape == (2 * height + 1, 2 * width + 1)
    assert not ucm[1::2, 1::2].any()
    assert not np.concatenate([ucm[0], ucm[-1], ucm[:, 0], ucm[:, -1]]).any()
    for i, j in np.ndindex(height, width - 1):
        expected = separation_twin(tree, leaves[i, j], leaves[i, j + 1])
        assert ucm[2 * i + 1, 2 * j + 2] == np.float32(expected)
    for i, j in np.ndindex(height - 1, width):
        expected = separation_twin(tree, leaves[i, j], leaves[i + 1, j])
        assert ucm[2 * i + 2, 2 * j + 1] == np.float32(expected)
    for i, j in np.ndindex(height - 1, width - 1):
        row, col = 2 * i + 2, 2 * j + 2
        sides = ucm[[row - 1, row + 1, row, row], [col, col, col - 1, col + 1]]
        assert ucm[row, col] == sides.max()


@pytest.mark.parametrize('seed', range(4))
def test_components_of_the_ucm_are_the_cut(seed):
    rng = np.random.default_rng(seed)
    # 4-connected regions: blocks of a grid, merged along real adjacency.
    labels = np.arange(1, 21, dtype=np.int32).reshape(4, 5).repeat(3, 0).repeat(3, 1)
    pairs, weights, counts = region_graph(labels, rng.random(labels.shape))
    corner = counts <= 2  # regions that meet at a corner alone are not 4-connected
    weights[corner] = 2
    tree = MergeTree.from_graph(labels, pairs, weights, counts, 1.0, 'min')
    for threshold in (0.3, 0.45, 0.5, 0.6):
        regions, _ = ndimage.label(tree.ucm()[1:-1, 1:-1] <= threshold)
        regions = regions[::2, ::2]
        cut = tree.cut(threshold)
        joint = np.unique(np.stack([regions.ravel(), cut.ravel()]), axis=1)
        assert joint.shape[1] == len(np.unique(regions)) == cut.max()


@given(trees, st.integers(0, 2**32 - 1))
@property_settings
def test_mask_ious_equal_masks(tree, seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((3, *tree.labels.shape)) < 0.5
    masks[0] = False
    nodes = node_masks_twin(tree)
    intersections = (masks[:, None] & nodes).sum(axis=(2, 3))
    unions = (masks[:, None] | nodes).sum(axis=(2, 3))
    np.testing.assert_array_equal(tree.mask_ious(masks), intersections / unions)


def test_mask_ious_refuse_another_size():
    tree = MergeTree(np.array([[1, 2]]), np.array([[0, 1]]), [0.5])
    with pytest.raises(ValueError, match=r'\(1, 2, 2\).*\(1, 2\)'):
        tree.mask_ious(np.ones((1, 2, 2), bool))


def test_masks_resize_to_nearest():
    tree = MergeTree(np.array([[1, 2], [1, 2]]), np.array([[0, 1]]), [0.5])
    masks = tree.masks([0], size=(4, 6))
    assert masks.shape == (1, 4, 6)
    assert masks[0, 0].tolist() == [True] * 3 + [False] * 3


def test_no_masks():
    tree = MergeTree(np.ones((2, 3)), np.empty((0, 2)), [])
    assert tree.masks([]).shape == (0, 2, 3)
    assert tree.mask_ious(np.empty((0, 2, 3), bool)).shape == (0, 1)


def test_single_region_is_a_valid_tree():
    tree = MergeTree(np.ones((2, 3)), np.empty((0, 2)), [])
    assert (tree.n_leaves, tree.n_nodes) == (1, 1)
    assert tree.parents.tolist() == [-1]
    assert tree.areas.tolist() == [6]
    assert tree.cut(1.0).tolist() == [[1, 1, 1], [1, 1, 1]]
    assert not tree.ucm().any()
    stats = tree.statistics(np.ones((2, 3)))
    assert stats.ring_area.tolist() == [0]
    assert stats.sides.tolist() == [[3, 3, 2, 2]]


def test_tree_survives_pickling():
    tree = random_tree(np.random.default_rng(0), (9, 9), 20)
    copy = pickle.loads(pickle.dumps(tree))
    assert copy.ucm().tobytes() == tree.ucm().tobytes()


def test_long_chain():
    # The deepest possible tree: each merge adds one leaf.
    n_leaves = 3000
    labels = np.arange(1, n_leaves + 1, dtype=np.int32)[None]
    pairs = np.stack([np.arange(n_leaves - 1), np.arange(1, n_leaves)], axis=1)
    weights = np.linspace(0, 0.9, n_leaves - 1)
    tree = MergeTree(labels, *merge_graph(pairs, weights, weights + 1, n_leaves, 1.0))
    stats = tree.statistics(np.ones(labels.shape))
    np.testing.assert_array_equal(stats.area[n_leaves:], np.arange(2, n_leaves + 1))
    assert stats.boxes[-1].tolist() == [0, 0, n_leaves, 1]
    assert tree.cut(0.45).max() == n_leaves - (weights <= 0.45).sum()


@pytest.mark.parametrize(
    ('labels', 'children', 'heights', 'message'),
    [
        ([[0, 1]], [], [], 'count from 1, but the lowest is 0'),
        ([1, 2], [], [], r'got the shape \(2,\)'),
        ([[]], [], [], r'got the shape \(1, 0\)'),
        ([[1, 3]], [], [], '2 is not in use'),
        ([[1, 2]], [[0, 1]], [], '1 merges need as many heights: 0'),
        ([[1, 2]], [[0, 0]], [0.1], 'each of them once'),
        ([[1, 2]], [[0, 2]], [0.1], 'two earlier nodes'),
        ([[1, 2]], [[-1, 0]], [0.1], 'two earlier nodes'),
        ([[1, 2, 3]], [[0, 1], [0, 2]], [0.1, 0.2], 'each of them once'),
    ],
)
def test_what_is_no_forest_is_refused(labels, children, heights, message):
    with pytest.raises(ValueError, match=message):
        MergeTree(np.array(labels), np.array(children).reshape(-1, 2), heights)


def test_statistics_refuse_another_size():
    tree = MergeTree(np.array([[1, 2]]), np.array([[0, 1]]), [0.5])
    with pytest.raises(ValueError, match=r'weights \(2, 2\) differ'):
        tree.statistics(np.ones((2, 2)))
