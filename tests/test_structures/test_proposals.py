"""Proposals are checked when they are made."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_ovis.structures.proposals import Proposals

RLE = {'size': [4, 4], 'counts': '0`0'}


def test_arrays_get_their_types():
    found = Proposals([[0, 0, 2, 2]], [1], np.array([4, 5]), [RLE])
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert found.size == (4, 5)
    assert found.masks == (RLE,)


def test_none_at_all():
    found = Proposals.empty((4, 5))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.select([]).masks is None


def test_some_are_selected_in_order():
    found = Proposals(np.arange(12).reshape(3, 4), [3, 2, 1], (9, 9), [RLE] * 3)
    chosen = found.select(np.array([2, 0]))
    assert chosen.boxes.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]
    assert chosen.scores.tolist() == [1, 3]
    assert len(chosen.masks) == 2


@pytest.mark.parametrize(
    ('scores', 'masks', 'message'),
    [
        ([1, 2], None, 'got 1 and 2'),
        ([1], [RLE, RLE], 'got 1 and 1 and 2'),
        ([np.nan], None, 'finite'),
    ],
)
def test_what_does_not_fit_is_refused(scores, masks, message):
    with pytest.raises(ValueError, match=message):
        Proposals([[0, 0, 2, 2]], scores, (4, 4), masks)
