import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.segmentation import watershed as skimage_watershed
from twins import property_settings, seeds_twin, watershed_twin

from pa_lib.cython_lib import watershed
from pa_lib.partition import find_seeds, finest_partition

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)
# Few levels, so that plateaus and ties are the rule.
COARSE_MAPS = hnp.arrays(
    np.float64, SHAPES, elements=st.integers(0, 4).map(lambda x: x / 4)
)


@given(COARSE_MAPS, st.integers(2, 6))
@property_settings
def test_seeds_equal_twin(interior, footprint_size):
    expected = seeds_twin(interior, footprint_size)
    np.testing.assert_array_equal(find_seeds(interior, footprint_size), expected)


def test_even_window_reaches_further_up_and_left():
    interior = np.full((9, 9), 0.1)
    interior[4, 4] = 0.8
    interior[6, 6] = 0.9
    # The window of side 4 covers rows i - 2 .. i + 1: (4, 4) does not see (6, 6), and
    # would in the other direction.
    assert find_seeds(interior, 4)[4, 4]
    assert not find_seeds(interior[::-1, ::-1], 4)[4, 4]


@given(COARSE_MAPS, st.data())
@property_settings
def test_watershed_equals_twin_with_ties(relief, data):
    markers = data.draw(
        hnp.arrays(np.int32, relief.shape, elements=st.integers(-9, 3))
    ).clip(0)
    expected = watershed_twin(relief, markers)
    np.testing.assert_array_equal(watershed(relief, markers), expected)


@pytest.mark.parametrize(
    'draw',
    [
        lambda rng: rng.random((70, 90)),
        lambda rng: rng.random((70, 90)) ** 30,  # crowded at one end
        lambda rng: rng.integers(0, 200, (70, 90)) / 199,
        lambda rng: rng.integers(0, 3, (70, 90)) - 1.0,  # long queues of one value
        lambda rng: np.zeros((70, 90)),
        lambda rng: 1e30 * rng.standard_normal((70, 90)) ** 9,
        lambda rng: np.cumsum(np.cumsum(rng.standard_normal((70, 90)), 0), 1),
    ],
)
def test_watershed_equals_twin_on_larger_maps(draw):
    rng = np.random.default_rng(0)
    relief = draw(rng).astype(np.float32)
    markers = np.zeros(relief.shape, np.int32)
    markers.flat[rng.choice(markers.size, 40, replace=False)] = np.arange(1, 41)
    expected = watershed_twin(relief, markers)
    np.testing.assert_array_equal(watershed(relief, markers), expected)


@pytest.mark.parametrize('shape', [(0, 3), (3, 0)])
def test_watershed_of_nothing(shape):
    assert watershed(np.zeros(shape), np.zeros(shape, np.int32)).shape == shape


def test_without_markers_nothing_is_flooded():
    assert not watershed(np.ones((4, 5)), np.zeros((4, 5), np.int32)).any()


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_watershed_refuses_what_is_not_finite(value):
    relief = np.zeros((3, 4))
    relief[1, 2] = value
    with pytest.raises(ValueError, match='relief must be finite'):
        watershed(relief, np.ones((3, 4), np.int32))


@pytest.mark.parametrize('seed', range(5))
def test_watershed_equals_skimage_without_ties(seed):
    rng = np.random.default_rng(seed)
    interior = rng.permutation(60 * 47).reshape(60, 47) / 3000
    markers = np.zeros(interior.shape, np.int32)
    places = rng.choice(markers.size, 25, replace=False)
    markers.flat[places] = np.arange(1, 26)
    expected = skimage_watershed(-interior, markers, connectivity=2)
    np.testing.assert_array_equal(watershed(-interior, markers), expected)


def test_watershed_refuses_markers_of_another_size():
    with pytest.raises(ValueError, match=r'relief \(2, 3\) and markers \(3, 2\)'):
        watershed(np.zeros((2, 3)), np.zeros((3, 2), np.int32))


def test_watershed_leaves_its_input_alone():
    markers = np.array([[1, 0, 2]], np.int32)
    watershed(np.zeros((1, 3)), markers)
    assert markers.tolist() == [[1, 0, 2]]


@given(COARSE_MAPS, st.floats(0, 1))
@property_settings
def test_labels_are_consecutive_and_cover_the_image(interior, edge_thresh):
    labels = finest_partition(interior, edge_thresh, footprint_size=3)
    assert labels.dtype == np.int32
    assert np.unique(labels).tolist() == list(range(1, labels.max() + 1))


def test_plateau_is_one_seed_and_diagonal_plateaus_are_two():
    interior = np.full((7, 7), 0.1)
    interior[2, 2:4] = 0.9
    interior[3, 4] = 0.9
    assert finest_partition(interior, footprint_size=3).max() == 2


def test_edge_thresh_is_strict_and_relative():
    interior = np.full((20, 40), 0.1)
    for col, value in ((5, 0.8), (20, 0.4), (34, 0.6)):
        interior[10, col] = value
    assert finest_partition(interior, 0.0, 5).max() == 3
    assert finest_partition(interior, 0.5, 5).max() == 2
    assert finest_partition(interior, 0.49, 5).max() == 3
