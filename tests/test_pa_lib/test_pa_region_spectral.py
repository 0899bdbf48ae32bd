import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twins import property_settings, random_labels

from pa_lib import GroupingConfig, group
from pa_lib.cython_lib import region_graph, region_similarity
from pa_lib.region_spectral import draw_pairs, globalize_regions, region_affinity
from pa_lib.spectral import pixel_affinity, smallest_eigenpairs

GAMMA = 0.12


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
@property_settings
def test_regions_sum_up_the_pixel_graph(seed, height, width):
    rng = np.random.default_rng(seed)
    boundary = rng.random((height, width)) * (rng.random((height, width)) < 0.6)
    labels = random_labels(rng, (height, width), 5)
    member = labels.ravel() == np.arange(1, labels.max() + 1)[:, None]
    expected = member @ pixel_affinity(boundary, GAMMA).toarray() @ member.T
    measured = region_affinity(labels, boundary, GAMMA).toarray()
    np.testing.assert_allclose(measured, expected, rtol=1e-12)


def test_similarity_of_no_region_and_of_maps_that_differ_in_shape():
    within, pairs, across = region_similarity(np.zeros((0, 3)), np.zeros((0, 3)), 0.1)
    assert (len(within), pairs.shape, across.shape) == (0, (0, 2), (0,))
    with pytest.raises(ValueError, match=r'labels \(2, 3\) and boundary \(3, 2\)'):
        region_similarity(np.ones((2, 3)), np.ones((3, 2)), 0.1)


def test_regions_of_one_pixel_have_the_eigenvalues_of_the_pixel_graph():
    boundary = np.random.default_rng(0).random((5, 6))
    labels = np.arange(1, 31, dtype=np.int32).reshape(5, 6)
    values, _ = smallest_eigenpairs(region_affinity(labels, boundary, GAMMA), 6)
    expected, _ = smallest_eigenpairs(pixel_affinity(boundary, GAMMA), 6)
    np.testing.assert_allclose(values, expected, atol=1e-10)


def walls():
    """Four stripes; the wall in the middle is as strong as the other two."""
    labels = np.repeat(np.arange(1, 5, dtype=np.int32), 6)[None].repeat(12, axis=0)
    boundary = np.zeros(labels.shape)
    boundary[:, [5, 6, 11, 12, 17, 18]] = 0.4
    return labels, boundary


def test_the_wall_that_halves_the_image_counts_most():
    labels, boundary = walls()
    pairs, weights, _ = region_graph(labels, boundary)
    assert np.ptp(weights) == pytest.approx(0)
    blended = globalize_regions(labels, boundary, pairs, weights, 1.0, nvec=2)
    assert blended.argmax() == 1
    assert blended.max() == 1


@pytest.mark.parametrize('blend', [0.0, 0.25])
def test_blend_weighs_both_parts(blend):
    labels, boundary = walls()
    pairs, weights, _ = region_graph(labels, boundary)
    whole = globalize_regions(labels, boundary, pairs, weights, 1.0)
    np.testing.assert_allclose(
        globalize_regions(labels, boundary, pairs, weights, blend),
        (1 - blend) * weights + blend * whole,
    )


def test_where_no_eigenvector_varies_only_the_local_part_is_left():
    labels = np.array([[1, 2]], np.int32)
    pairs = np.array([[0, 1]])
    blended = globalize_regions(
        labels, np.zeros((1, 2)), pairs, np.array([0.4]), 0.5, nvec=1
    )
    assert blended.tolist() == [0.2]


def test_grouping_is_the_same_every_time():
    affinity = np.random.default_rng(0).random((80, 90)).astype(np.float32)
    config = GroupingConfig.ggn(footprint_size=4, use_globalization=0.5)
    one, two = group(affinity, config), group(affinity, config)
    np.testing.assert_array_equal(one.scores, two.scores)
    assert one.rles() == two.rles()


def test_domains_differ_but_agree_on_strong_boundaries():
    affinity = np.ones((64, 64))
    affinity[20:44, [20, 43]] = affinity[[20, 43], 20:44] = 0.1
    best = {
        domain: group(
            affinity, GroupingConfig.ggn(spectral=domain, footprint_size=8, nms=0)
        ).masks(1)[0]
        for domain in ('regions', 'pixels')
    }
    overlap = best['regions'] & best['pixels']
    assert overlap.sum() / (best['regions'] | best['pixels']).sum() > 0.9


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(2, 8))
@property_settings
def test_drawn_pairs_equal_twin(seed, height, width):
    rng = np.random.default_rng(seed)
    labels = random_labels(rng, (height, width), 4)
    pairs, _, _ = region_graph(labels, np.zeros(labels.shape))
    pairs = pairs[rng.random(len(pairs)) < 0.8]
    if not len(pairs):
        return
    weights = rng.random(len(pairs))
    weight_of = dict(zip(map(tuple, pairs.tolist()), weights, strict=True))
    expected = np.zeros(labels.shape)
    for i, j in np.ndindex(*labels.shape):
        for k, m in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if 0 <= k < height and 0 <= m < width:
                pair = tuple(sorted((int(labels[i, j]) - 1, int(labels[k, m]) - 1)))
                expected[i, j] = max(expected[i, j], weight_of.get(pair, 0.0))
    np.testing.assert_array_equal(draw_pairs(labels, pairs, weights), expected)


def test_new_affinity_ranks_by_globalized_boundaries():
    affinity = np.random.default_rng(1).random((60, 60)).astype(np.float32)
    scores = [
        group(
            affinity, GroupingConfig.ggn(footprint_size=5, use_new_affinity=new)
        ).scores
        for new in (False, True)
    ]
    assert len(scores[0]) != len(scores[1]) or not np.allclose(*scores)
