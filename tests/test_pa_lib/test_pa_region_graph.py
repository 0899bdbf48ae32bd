import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twins import property_settings, random_labels, region_graph_twin

from pa_lib.cython_lib import region_graph


def as_dict(graph):
    pairs, weights, counts = graph
    return {
        tuple(pair): (weight, count)
        for pair, weight, count in zip(
            pairs.tolist(), weights.tolist(), counts.tolist(), strict=True
        )
    }


@pytest.mark.parametrize('legacy', [False, True])
def test_case_b5_two_halves(legacy):
    labels = np.tile(np.array([1, 1, 2, 2], np.int32), (3, 1))
    edge_map = np.tile([0, 0.2, 0.6, 0], (3, 1))
    graph = as_dict(region_graph(labels, edge_map, legacy))
    assert graph == {(0, 1): (pytest.approx(0.4), 6)}


JUNCTION = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 3, 3], [3, 3, 3, 3]], np.int32)
JUNCTION_EDGES = np.arange(16).reshape(4, 4) / 100


def test_case_b5_legacy_misses_the_middle_region_of_a_junction():
    assert as_dict(region_graph(JUNCTION, JUNCTION_EDGES, legacy=True)) == {
        (0, 1): (pytest.approx(0.03), 3),
        (0, 2): (pytest.approx(0.072), 5),
        (1, 2): (pytest.approx(0.08), 3),
    }


def test_case_b5_exact_counts_all_regions_of_a_junction():
    assert as_dict(region_graph(JUNCTION, JUNCTION_EDGES)) == {
        (0, 1): (pytest.approx((0.01 + 0.02 + 0.05 + 0.06) / 4), 4),
        (0, 2): (pytest.approx((0.04 + 0.05 + 0.08 + 0.09 + 0.10) / 5), 5),
        (1, 2): (pytest.approx((0.06 + 0.07 + 0.09 + 0.10 + 0.11) / 5), 5),
    }


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 8), st.booleans())
@property_settings
def test_graph_equals_twin(seed, height, width, legacy):
    rng = np.random.default_rng(seed)
    labels = random_labels(rng, (height, width), rng.integers(1, 9))
    edge_map = rng.random((height, width))
    samples = region_graph_twin(labels, edge_map, legacy)
    pairs, weights, counts = region_graph(labels, edge_map, legacy)
    assert pairs.tolist() == sorted(list(pair) for pair in samples)
    expected = [samples[tuple(pair)] for pair in pairs.tolist()]
    assert counts.tolist() == [len(values) for values in expected]
    assert weights == pytest.approx([np.mean(values) for values in expected])


def test_one_region_has_no_edges():
    pairs, weights, counts = region_graph(np.ones((3, 3), np.int32), np.ones((3, 3)))
    assert pairs.shape == (0, 2)
    assert len(weights) == len(counts) == 0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r'\(3, 3\).*\(3, 4\)'):
        region_graph(np.ones((3, 3), np.int32), np.ones((3, 4)))
