"""Which pixels of a crop are labelled."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_ovis.pseudo_labels.crop_segmentation.scribbles import (
    BACKGROUND,
    FOREGROUND,
    UNLABELLED,
    draw_outline,
    outline_scribbles,
    ring_scribbles,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def count(scribbles, label):
    return int((scribbles == label).sum())


@pytest.mark.parametrize(
    ('size', 'number'),
    [((40, 40), 120), ((30, 50), 120), ((12, 12), 8), ((8, 8), 8), ((4, 4), 0)],
)
def test_case_10_the_outline(size, number, rng):
    assert count(draw_outline(size), BACKGROUND) == number
    if min(size) > 20:  # the disc in the centre does not reach it
        scribbles = outline_scribbles(np.zeros(size, bool), rng)
        assert count(scribbles, BACKGROUND) == number


def test_case_10_the_dot_in_the_centre(rng):
    active = np.zeros((40, 40), bool)
    assert count(outline_scribbles(active, rng), FOREGROUND) == 81
    active[20, 20] = True
    assert count(outline_scribbles(active, rng), FOREGROUND) == 5  # and no crash


def test_case_10_foreground_is_drawn_with_replacement(rng):
    active = np.zeros((60, 60), bool)
    active[10:50, 10:20] = True  # 400 pixels, 200 in the outline
    scribbles = outline_scribbles(active, rng)
    drawn = (scribbles == FOREGROUND) & active
    assert 120 < drawn.sum() < 200
    assert not drawn[49, 19]  # the last one never is
    few = np.zeros((60, 60), bool)
    few[10, 10:13] = True
    drawn = (outline_scribbles(few, rng) == FOREGROUND) & few
    assert 1 <= drawn.sum() <= 2


@pytest.fixture
def crop():
    """A box of 40 x 40 in a crop of 48 x 48, and a blob that sticks out of it."""
    inside = np.zeros((48, 48), bool)
    inside[4:44, 4:44] = True
    active = np.zeros((48, 48), bool)
    active[10:30, 0:30] = True
    confidence = np.zeros((48, 48), np.float32)
    confidence[10:30, 8:24] = 1.0
    confidence[10:30, 24:30] = 0.4
    return active, confidence, inside


def test_background_is_the_ring_outside_the_activation(crop, rng):
    active, _, inside = crop
    scribbles = ring_scribbles(*crop, rng)
    assert np.array_equal(scribbles == BACKGROUND, ~inside & ~active)
    assert count(scribbles, UNLABELLED) > 1000


def test_foreground_is_where_the_map_is_sure(crop, rng):
    drawn = ring_scribbles(*crop, rng) == FOREGROUND
    sure = np.zeros((48, 48), bool)
    sure[11:29, 9:23] = True  # without the rim
    assert drawn.sum() == sure.sum() == 252
    assert np.array_equal(drawn, sure)
    lenient = ring_scribbles(*crop, rng, min_confidence=0.3) == FOREGROUND
    assert lenient[20, 27]


def test_foreground_is_not_more_than_background(rng):
    inside = np.zeros((40, 40), bool)
    inside[1:, :] = True
    everything = inside.copy()
    scribbles = ring_scribbles(everything, np.ones((40, 40), 'f4'), inside, rng)
    assert count(scribbles, FOREGROUND) == count(scribbles, BACKGROUND) == 40


def test_the_same_chance_draws_the_same(crop):
    active, confidence, inside = crop
    inside[:] = True
    inside[0] = False
    one, same, other = (
        ring_scribbles(active, confidence, inside, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert count(one, FOREGROUND) == count(other, FOREGROUND) == 48


def test_without_a_ring_the_border_is_background(crop, rng):
    active, confidence, inside = crop
    scribbles = ring_scribbles(active, confidence, np.ones_like(inside), rng)
    border = np.ones((48, 48), bool)
    border[1:-1, 1:-1] = False
    assert np.array_equal(scribbles == BACKGROUND, border & ~active)


def test_without_activation_the_middle_is_foreground(crop, rng):
    active, confidence, inside = crop
    scribbles = ring_scribbles(np.zeros_like(active), confidence, inside, rng)
    rows, columns = np.nonzero(scribbles == FOREGROUND)
    assert (rows.mean(), columns.mean()) == (23, 23)
    assert 40 < len(rows) < 120


def test_a_single_pixel_is_enough(rng):
    active = np.zeros((20, 20), bool)
    active[7, 9] = True
    inside = np.ones((20, 20), bool)
    scribbles = ring_scribbles(active, active.astype('f4'), inside, rng)
    assert np.argwhere(scribbles == FOREGROUND).tolist() == [[7, 9]]
