import numpy as np
import pytest

from pa_lib.affinity import (
    NEIGHBOR_OFFSETS,
    boundary_strength,
    interior_affinity,
    reduce_channels,
)


def test_opposite_channels_are_four_apart():
    for k in range(4):
        di, dj = NEIGHBOR_OFFSETS[k]
        assert NEIGHBOR_OFFSETS[k + 4] == (-di, -dj)
    assert len(set(NEIGHBOR_OFFSETS)) == 8


@pytest.mark.parametrize('n_channels', [4, 8])
def test_channels_across_the_frame_do_not_count(n_channels):
    rng = np.random.default_rng(0)
    affinity = rng.random((n_channels, 5, 6))
    reduced = reduce_channels(affinity)
    for i, j in np.ndindex(5, 6):
        inside = [
            affinity[k, i, j]
            for k, (di, dj) in enumerate(NEIGHBOR_OFFSETS[:n_channels])
            if 0 <= i + di < 5 and 0 <= j + dj < 6
        ]
        assert reduced[i, j] == min(inside or affinity[:, i, j])


def test_reduction_leaves_its_input_alone():
    affinity = np.full((8, 3, 3), 0.5)
    reduce_channels(affinity)
    assert (affinity == 0.5).all()


def test_single_pixel_has_no_neighbour_inside():
    affinity = np.linspace(0.1, 0.8, 8).reshape(8, 1, 1)
    assert reduce_channels(affinity).tolist() == [[0.1]]


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_accepts_all_floating_types(dtype):
    interior = interior_affinity(np.array([[[0.0, 0.5, 1.0]]], dtype))
    assert interior.dtype == np.float64
    assert interior.tolist() == [[0.0, 0.5, 1.0]]


def test_rounding_beyond_the_range_is_clipped():
    interior = interior_affinity(np.array([[1.0 + 1e-6, -1e-6]]))
    assert interior.tolist() == [[1.0, 0.0]]
    assert boundary_strength(interior).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ('affinity', 'message'),
    [
        (np.zeros(4), r'shape \(H, W\) or \(C, H, W\), got 1 dimensions: \(4,\)'),
        (np.zeros((1, 1, 4, 4)), 'got 4 dimensions'),
        (np.zeros((3, 4, 4)), '1, 4 or 8 channels, got 3'),
        (np.zeros((0, 4)), r'empty: its shape is \(0, 4\)'),
        (np.zeros((4, 4), np.uint8), 'floating type in .*, got uint8'),
        (np.zeros((4, 4), bool), 'got bool'),
        (np.zeros((4, 4), complex), 'got complex128'),
        (np.array([[0.0, np.nan]]), r'NaN in 1 of 2 places, first at index \(0, 1\)'),
        (np.array([[-np.inf, np.inf]]), 'infinite values in 2 of 2'),
        (np.array([[0.0, 1.5]]), r'outside \[0, 1\] in 1 of 2'),
        (np.array([[-0.1, 1.0]]), r'outside \[0, 1\]'),
        (np.full((8, 2, 2), 255.0), r'outside \[0, 1\]'),
    ],
)
def test_bad_input_is_named(affinity, message):
    with pytest.raises(ValueError, match=message):
        interior_affinity(affinity)
