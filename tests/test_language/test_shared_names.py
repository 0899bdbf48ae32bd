"""Names of a vocabulary that are those of a data set."""

import pytest

from mmdet_ovis.language.shared_names import shared_names
from mmdet_ovis.structures.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ('names', 'classes', 'expected'),
    [
        (('bat_(animal)', 'bat'), ['bat'], ['bat (animal)', 'bat']),
        (('bat_(animal)', 'bat'), ['Bat'], ['bat (animal)', 'Bat']),
        (('bat', 'bat_(animal)'), ['bat_(animal)'], ['bat', 'bat_(animal)']),
        (('bat_(animal)', 'bat'), ['bat_(animal)', 'bat'], ['bat_(animal)', 'bat']),
        (('bat_(animal)', 'club'), ['bat'], ['bat', 'club']),
    ],
)
def test_a_class_is_first_of_all_what_has_its_name(names, classes, expected):
    assert shared_names(Vocabulary(names), classes) == expected
