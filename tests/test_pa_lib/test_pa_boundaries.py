import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twins import (
    orientation_twin,
    property_settings,
    random_labels,
    thick_boundary_twin,
)

from pa_lib.boundaries import (
    align_boundary,
    edge_orientation,
    thick_boundary,
)
from pa_lib.cython_lib import TRIANGLE_FILTER

LINES = {
    'vertical': (np.arange(41), np.full(41, 20)),
    'horizontal': (np.full(41, 20), np.arange(41)),
    'diagonal': (np.arange(41), np.arange(41)),
    'antidiagonal': (np.arange(41), np.arange(41)[::-1]),
}


def line_map(name):
    image = np.zeros((41, 41))
    image[LINES[name]] = 1
    return image


def test_case_b1_triangle_filter():
    weights = 25 * np.array(TRIANGLE_FILTER)
    assert weights.round(9).tolist() == [1, 2, 3, 4, 5, 4, 3, 2, 1]
    assert np.outer(TRIANGLE_FILTER, TRIANGLE_FILTER).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ('name', 'angle'),
    [('vertical', 0.5), ('horizontal', 0), ('diagonal', 0.75), ('antidiagonal', 0.25)],
)
def test_case_b1_orientation_of_lines(name, angle):
    measured = edge_orientation(line_map(name))[20, 20]
    assert measured == pytest.approx(angle * np.pi, abs=1e-6)


@pytest.mark.parametrize(
    ('one', 'other', 'alignment'),
    [
        ('vertical', 'diagonal', 0.70711),
        ('diagonal', 'antidiagonal', 0),
        ('vertical', 'horizontal', 0),
        ('diagonal', 'diagonal', 1),
    ],
)
def test_case_b1_alignment(one, other, alignment):
    aligned = align_boundary(line_map(one), line_map(other) > 0)
    assert aligned[20, 20] == pytest.approx(alignment, abs=1e-5)


@pytest.mark.parametrize('shape', [(23, 31), (1, 9), (9, 1), (1, 1), (4, 3)])
def test_orientation_equals_direct_convolution(shape):
    edge_map = np.random.default_rng(0).random(shape)
    difference = edge_orientation(edge_map) - orientation_twin(edge_map)
    # Angles are directions: 0 and pi are the same.
    np.testing.assert_allclose(np.sin(difference), 0, atol=1e-6)


def test_orientation_lies_in_half_turn():
    rng = np.random.default_rng(1)
    angles = edge_orientation(rng.random((50, 50)) * (rng.random((50, 50)) < 0.1))
    assert angles.min() >= 0
    assert angles.max() < np.pi


def test_alignment_is_zero_off_the_lines():
    rng = np.random.default_rng(2)
    boundary, lines = rng.random((20, 20)), rng.random((20, 20)) < 0.3
    aligned = align_boundary(boundary, lines)
    assert (aligned[~lines] == 0).all()
    assert (aligned <= boundary).all()
    assert aligned[lines].max() > 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 7))
@property_settings
def test_thick_boundary_equals_twin(seed, height, width):
    labels = random_labels(np.random.default_rng(seed), (height, width), 4)
    np.testing.assert_array_equal(thick_boundary(labels), thick_boundary_twin(labels))
