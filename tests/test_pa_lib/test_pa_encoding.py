import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as mask_api
from twins import property_settings, random_tree

from pa_lib import MergeTree


def encode_drawn(masks):
    """The library's encoding of masks that are drawn."""
    rles = mask_api.encode(np.asfortranarray(masks.transpose(1, 2, 0).view(np.uint8)))
    return [{'size': r['size'], 'counts': r['counts'].decode()} for r in rles]


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.integers(1, 9),
    st.none() | st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
@property_settings
def test_encoding_equals_that_of_drawn_masks(seed, shape, n_labels, size):
    """Also at sizes at which leaves vanish."""
    tree = random_tree(np.random.default_rng(seed), shape, n_labels)
    nodes = np.arange(tree.n_nodes)
    assert tree.rles(nodes, size) == encode_drawn(tree.masks(nodes, size))


def test_long_runs():
    """Runs and differences of more than one and of more than three groups of bits."""
    labels = np.ones((1, 200_000), np.int32)
    labels[0, 70_000:70_003] = 2
    labels[0, 199_990:] = 2
    tree = MergeTree(labels, np.empty((0, 2)), np.empty(0))
    assert tree.rles([0, 1]) == encode_drawn(tree.masks([0, 1]))


@pytest.mark.parametrize('nodes', [[], np.empty(0, np.int64)])
def test_no_node(nodes):
    tree = random_tree(np.random.default_rng(0), (4, 4), 3)
    assert tree.rles(nodes) == []
