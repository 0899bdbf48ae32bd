"""Settings of configs that nobody would look at are refused."""

from __future__ import annotations

import pytest

from mmdet_ovis.utils.settings import check_choice, check_keys, from_settings


def point(x, y=2):
    return x, y


def test_settings_become_arguments():
    assert from_settings(point, dict(x=1), 'point') == (1, 2)
    assert from_settings(lambda z=4: z, None, 'empty') == 4
    given = dict(x=1, y=3)
    assert from_settings(point, given, 'point') == (1, 3)
    assert given == dict(x=1, y=3)


def test_the_message_names_setting_and_keys():
    check_keys(('y',), ('x', 'y'), 'point')
    with pytest.raises(ValueError, match="point has the keys x, y, not 'z'"):
        from_settings(point, dict(x=1, z=2), 'point')


def test_a_choice_is_one_of_those_that_are_named():
    for given in ('mean', None):
        check_choice('mode', given, (None, 'mean', 'min'))
    with pytest.raises(ValueError, match="mode is one of None, mean, min, not 'max'"):
        check_choice('mode', 'max', (None, 'mean', 'min'))
    with pytest.raises(ValueError, match='size is one of 1, 4, not 2'):
        check_choice('size', 2, iter((1, 4)))
