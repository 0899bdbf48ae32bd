import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from twins import property_settings

from pa_lib.cython_lib import align_strength, edge_directions, window_maximum


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 80),
    st.integers(1, 80),
    st.integers(1, 40),
)
@property_settings
def test_window_maximum_equals_scipy(seed, height, width, size):
    image = np.random.default_rng(seed).random((height, width))
    expected = ndimage.maximum_filter(image, size, mode='nearest')
    np.testing.assert_array_equal(window_maximum(image, size), expected)


def test_window_maximum_keeps_single_precision():
    image = np.random.default_rng(0).random((40, 90)).astype(np.float32)
    expected = ndimage.maximum_filter(image, 7, mode='nearest')
    measured = window_maximum(image, 7)
    assert measured.dtype == np.float32
    np.testing.assert_array_equal(measured, expected)


@pytest.mark.parametrize('shape', [(1, 1), (1, 12), (17, 23)])
def test_alignment_is_the_cosine_between_directions(shape):
    rng = np.random.default_rng(0)
    boundary = rng.random(shape)
    lines = rng.random(shape) < 0.4
    angles = [np.arctan2(*edge_directions(image)) for image in (boundary, lines)]
    expected = np.where(lines, boundary * np.abs(np.cos(angles[0] - angles[1])), 0)
    np.testing.assert_allclose(align_strength(boundary, lines), expected, atol=1e-12)


def test_alignment_refuses_lines_of_another_size():
    with pytest.raises(ValueError, match=r'boundary \(2, 3\) and lines \(3, 2\)'):
        align_strength(np.zeros((2, 3)), np.zeros((3, 2), bool))


def test_window_maximum_with_columns_beyond_a_block():
    image = np.random.default_rng(0).random((5, 200))
    expected = ndimage.maximum_filter(image, 20, mode='nearest')
    np.testing.assert_array_equal(window_maximum(image, 20), expected)


@pytest.mark.parametrize('shape', [(0, 5), (5, 0)])
def test_maps_without_pixels(shape):
    assert window_maximum(np.empty(shape), 3).shape == shape
    assert edge_directions(np.empty(shape))[0].shape == shape
    assert align_strength(np.empty(shape), np.empty(shape, bool)).shape == shape


def test_directions_turn_with_the_map():
    """A quarter turn swaps the axes, up to the sign of the slope."""
    image = np.random.default_rng(1).random((12, 15))
    columns, rows = edge_directions(image)
    turned_columns, turned_rows = edge_directions(image.T)
    np.testing.assert_allclose(np.abs(columns), np.abs(turned_rows.T), atol=1e-12)
    np.testing.assert_allclose(np.abs(rows), np.abs(turned_columns.T), atol=1e-12)
