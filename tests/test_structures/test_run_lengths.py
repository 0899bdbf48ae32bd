"""Run lengths are those that pycocotools wrote."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as mask_api

from mmdet_ovis.structures.run_lengths import decode_run_lists, decode_runs


def counts_of(mask: np.ndarray) -> str:
    return mask_api.encode(np.asfortranarray(mask, np.uint8))['counts'].decode()


def draw_mask(seed: int, height: int, width: int, density: float) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width)) < density


MASKS = st.builds(
    draw_mask,
    seed=st.integers(0, 10**6),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    density=st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.0]),
)


def drawn(runs: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.repeat(np.arange(len(runs)) % 2, runs).reshape(shape[::-1]).T


@given(MASKS)
def test_runs_are_those_of_pycocotools(mask):
    runs = decode_runs(counts_of(mask))
    np.testing.assert_array_equal(drawn(runs, mask.shape), mask)


@given(st.lists(MASKS, min_size=1, max_size=6))
def test_several_masks_at_once(masks):
    runs, first = decode_run_lists([counts_of(mask) for mask in masks])
    for mask, part in zip(masks, np.split(runs, first[1:]), strict=True):
        np.testing.assert_array_equal(drawn(part, mask.shape), mask)


def test_long_runs_keep_all_their_bits():
    mask = np.zeros((3000, 3000), bool)
    mask[1500:, 1500:1502] = True
    assert decode_runs(counts_of(mask)).tolist() == [
        *(3000 * 1500 + 1500, 1500, 1500, 1500),
        3000 * 3000 - 3000 * 1502,
    ]


@pytest.mark.parametrize('text', ['', '/', 'p', 'ä', '5P', 'PPPPPPP1', 'o'])
def test_what_is_not_an_rle_is_none(text):
    assert decode_runs(text) is None
    assert decode_run_lists(['52203', text]) is None
    assert decode_run_lists([text, '52203']) is None


def test_no_mask_has_no_runs():
    assert decode_run_lists([]) is None
