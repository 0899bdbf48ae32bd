"""What is kept of a mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mmdet_ovis.pseudo_labels.mask_cleaning import (
    MaskCleaning,
    draw_polygons,
    encode_mask,
    polygonize,
)

WHOLE = (0, 0, 100, 100)


@pytest.fixture
def ring():
    """A square of 40 x 40 with a hole of 20 x 20, in 100 x 100."""
    mask = np.zeros((100, 100), bool)
    mask[20:60, 20:60] = True
    mask[30:50, 30:50] = False
    return mask


def test_case_12_the_default_export_is_exact(ring):
    cleaned = MaskCleaning()(ring, WHOLE)
    assert cleaned.reason is None
    rle = encode_mask(cleaned.mask)
    assert mask_api.area(rle) == 1200
    assert np.array_equal(mask_api.decode(rle).astype(bool), ring)


def test_case_12_the_compat_export_grows_and_fills(ring):
    polygons = polygonize(ring)
    assert len(polygons) == 2  # the hole is one more positive polygon
    drawn = draw_polygons(polygons, ring.shape)
    assert drawn.sum() == pytest.approx(1825, rel=0.02)
    assert np.array_equal(MaskCleaning.compat()(ring, WHOLE).mask, drawn)


def test_case_12_specks(ring):
    ring[80, 80] = True
    speck = np.zeros((100, 100), bool)
    speck[80, 80] = True
    (polygon,) = polygonize(speck)
    assert (min(polygon), max(polygon)) == (79, 81)
    assert polygonize(np.zeros((9, 9), bool)) == []
    assert not MaskCleaning()(ring, WHOLE).mask[80, 80]
    assert MaskCleaning.compat()(ring, WHOLE).mask[79:82, 79:82].sum() >= 4


def test_small_holes_are_filled_and_bays_are_not():
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    mask[20:23, 20:23] = False  # 9 of 2500 pixels
    mask[30:40, 30:40] = False  # 100 of 2500 pixels
    mask[10:12, 40] = False  # a bay
    cleaned = MaskCleaning(max_hole=0.01)(mask, (5, 5, 55, 55)).mask
    assert cleaned[20:23, 20:23].all()
    assert not cleaned[30:40, 30:40].any()
    assert not cleaned[10:12, 40].any()


def test_a_hole_at_the_border_of_the_box_is_none():
    mask = np.ones((20, 20), bool)
    mask[0:2, 8:10] = False
    cleaned = MaskCleaning(max_hole=1.0, max_area_ratio=1.0)(mask, (0, 0, 20, 20))
    assert np.array_equal(cleaned.mask, mask)


def test_few_large_parts_stay():
    mask = np.zeros((100, 100), bool)
    for i, side in enumerate((30, 20, 18, 16, 6)):
        mask[40 * (i % 2) : 40 * (i % 2) + side, 35 * (i // 2) :][:, :side] = True
    cleaned = MaskCleaning()(mask, WHOLE).mask
    assert cleaned.sum() == 30**2 + 20**2 + 18**2
    assert MaskCleaning(max_parts=5)(mask, WHOLE).mask.sum() == cleaned.sum() + 256


def test_the_mask_is_cut_at_its_box(ring):
    cleaned = MaskCleaning()(ring, (20, 20, 60, 30))
    assert cleaned.mask.sum() == 400
    assert (cleaned.area_ratio, cleaned.reason) == (1, 'area_ratio')


@pytest.mark.parametrize(
    ('rows', 'reason'),
    [(0, 'empty_mask'), (4, 'area_ratio'), (5, None), (98, None), (99, 'area_ratio')],
)
def test_masks_of_odd_size_are_rejected(rows, reason):
    mask = np.zeros((100, 100), bool)
    mask[:rows] = True
    cleaned = MaskCleaning()(mask, WHOLE)
    assert cleaned.reason == reason
    assert cleaned.area_ratio == rows / 100


def test_compat_keeps_everything_but_nothing():
    mask = np.random.default_rng(0).random((50, 50)) > 0.9
    box = (0, 0, 50, 50)
    kept = replace(MaskCleaning.compat(), redraw=False)
    assert np.array_equal(kept(mask, box).mask, mask)
    assert MaskCleaning.compat()(mask, box).reason is None
    assert MaskCleaning.compat()(~mask | mask, box).reason is None
    assert MaskCleaning.compat()(mask & ~mask, box).reason == 'empty_mask'


def test_the_given_mask_stays_as_it_is(ring):
    before = ring.copy()
    MaskCleaning()(ring, (30, 30, 100, 100))
    assert np.array_equal(ring, before)


@pytest.mark.parametrize(
    'options',
    [{'min_part': 2}, {'max_hole': -1}, {'max_parts': 0}, {'min_area_ratio': 0.99}],
)
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        MaskCleaning(**options)
