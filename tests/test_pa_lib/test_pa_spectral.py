import numpy as np
import pytest
import scipy.linalg

from pa_lib.resampling import resize_bilinear, resize_nearest, shrink_boundary
from pa_lib.spectral import (
    eigenvector_boundary,
    globalize,
    pixel_affinity,
    smallest_eigenpairs,
    spectral_boundary,
)


def dense_problem(boundary):
    affinity = pixel_affinity(boundary, 0.12).toarray()
    degree = np.diag(affinity.sum(axis=1))
    return degree - affinity, degree


def test_case_b7_two_by_two():
    affinity = pixel_affinity(np.array([[0, 0], [0, 0.12]]), 0.12)
    dense = affinity.toarray()
    assert affinity.nnz == 12
    e = np.exp(-1)
    assert dense == pytest.approx(
        np.array([[1, 1, 1, 0], [1, 1, 0, e], [1, 0, 1, e], [0, e, e, 1]])
    )
    assert dense.sum(axis=1) == pytest.approx([3, 2.367879, 2.367879, 1.735759])
    values, vectors = smallest_eigenpairs(affinity, 4)
    assert values == pytest.approx([0, 0.472769, 0.577681, 1.195462], abs=1e-6)
    assert vectors[0, 2] == pytest.approx(0, abs=1e-9)
    assert vectors[1, 2] == pytest.approx(-vectors[2, 2])


@pytest.mark.parametrize('shape', [(5, 9), (1, 6), (1, 1)])
def test_case_b7_number_of_entries(shape):
    height, width = shape
    n_entries = 5 * height * width - 2 * height - 2 * width
    assert pixel_affinity(np.zeros(shape), 0.12).nnz == n_entries


def test_case_b8_eigenvector_edge():
    edge = eigenvector_boundary(np.array([[[0.0, 1.0], [2.0, 3.0]]]), np.array([4.0]))
    assert edge == pytest.approx(np.full((2, 2), 0.459859), abs=1e-6)


def test_case_b9_hard_wall():
    boundary = np.zeros((40, 50))
    boundary[:, 24:26] = 1
    values, _ = smallest_eigenpairs(pixel_affinity(boundary, 0.12), 16)
    assert values[1] == pytest.approx(1.369e-6, abs=1e-9)
    assert (values >= 1e-9).all()
    spectral = spectral_boundary(boundary)
    assert np.isfinite(spectral).all()
    assert spectral.max() == 1
    assert spectral[:, 24:26].min() > 10 * spectral[:, :20].max()


def test_lanczos_equals_dense_solution():
    boundary = np.random.default_rng(0).random((18, 21))
    values, vectors = smallest_eigenpairs(pixel_affinity(boundary, 0.12), 10)
    laplacian, degree = dense_problem(boundary)
    expected, _ = scipy.linalg.eigh(laplacian, degree)
    assert values[1:] == pytest.approx(expected[1:10], rel=1e-6)
    residual = laplacian @ vectors - degree @ vectors * values
    assert np.abs(residual).max() < 1e-8


def test_lanczos_and_dense_solver_give_the_same_boundary(monkeypatch):
    boundary = np.random.default_rng(1).random((17, 23))
    lanczos = spectral_boundary(boundary, nvec=8)
    monkeypatch.setattr('pa_lib.spectral._DENSE_NODES_PER_VECTOR', 10**6)
    assert spectral_boundary(boundary, nvec=8) == pytest.approx(lanczos, abs=1e-6)


@pytest.mark.parametrize('shape', [(1, 1), (1, 2), (3, 2), (1, 40), (40, 30)])
@pytest.mark.parametrize('level', [0.0, 1.0])
def test_constant_and_tiny_maps_are_finite(shape, level):
    spectral = spectral_boundary(np.full(shape, level))
    assert spectral.shape == shape
    assert np.isfinite(spectral).all()
    assert spectral.min() >= 0
    assert spectral.max() <= 1


def test_vector_without_range_adds_nothing():
    maps = np.stack([np.full((3, 3), 0.2), np.arange(9.0).reshape(3, 3)])
    alone = eigenvector_boundary(maps[1:], np.array([0.5]))
    np.testing.assert_array_equal(
        eigenvector_boundary(maps, np.array([0.1, 0.5])), alone
    )


@pytest.mark.parametrize('scale', [1.0, 0.5, 0.25])
def test_globalize_blends(scale):
    boundary = np.zeros((40, 60))
    boundary[:, 29:31] = 0.6
    assert globalize(boundary, 0.0, scale=scale) == pytest.approx(boundary)
    spectral = globalize(boundary, 1.0, scale=scale)
    assert globalize(boundary, 0.3, scale=scale) == pytest.approx(
        0.7 * boundary + 0.3 * spectral
    )
    assert 0 <= spectral.min() <= spectral.max() <= 1
    # A closed wall is global: it stays the strongest at any resolution.
    assert spectral[:, 29:31].min() > 2 * spectral[:, :20].max()


def test_globalize_is_deterministic():
    boundary = np.random.default_rng(3).random((40, 50))
    assert globalize(boundary, 0.5).tobytes() == globalize(boundary, 0.5).tobytes()


def test_shrink_takes_maxima_of_blocks():
    image = np.random.default_rng(0).random((8, 12))
    blocks = image.reshape(4, 2, 6, 2).max(axis=(1, 3))
    np.testing.assert_array_equal(shrink_boundary(image, 0.5), blocks)
    np.testing.assert_array_equal(shrink_boundary(image, 1.0), image)
    assert shrink_boundary(image[:7, :5], 0.4).shape == (3, 2)
    assert shrink_boundary(image, 0.01).tolist() == [[image.max()]]


def test_bilinear_resize_is_exact_on_ramps():
    ramp = np.arange(10.0)[None].repeat(3, axis=0)
    resized = resize_bilinear(ramp, (6, 40))
    centres = (np.arange(40) + 0.5) / 4 - 0.5
    assert resized[3] == pytest.approx(centres.clip(0, 9))


def test_nearest_resize_repeats_and_drops_pixels():
    image = np.arange(6).reshape(2, 3)
    doubled = resize_nearest(image, (4, 6))
    np.testing.assert_array_equal(doubled, image.repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_array_equal(resize_nearest(doubled, (2, 3)), image)
    assert resize_nearest(image, (1, 1)).tolist() == [[4]]
