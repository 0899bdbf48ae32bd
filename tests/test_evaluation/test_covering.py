"""Covering of human segmentations by the cuts of a hierarchy."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_ovis.evaluation.functional.covering import (
    covering_scores,
    segmentation_covering,
)


def covering_twin(labels, truth):
    total = 0.0
    for region in np.unique(truth):
        inside = truth == region
        ious = [
            (inside & (labels == k)).sum() / (inside | (labels == k)).sum()
            for k in np.unique(labels)
        ]
        total += inside.sum() * max(ious)
    return total / truth.size


@pytest.mark.parametrize('seed', range(5))
def test_equals_the_definition(seed):
    rng = np.random.default_rng(seed)
    leaves = rng.permutation(np.arange(60) % 7).reshape(6, 10)
    truth = rng.permutation(np.arange(60) % 4).reshape(6, 10)
    partitions = [
        np.arange(7),
        rng.permutation([0, 0, 1, 1, 2, 2, 2]),
        np.zeros(7, int),
    ]
    measured = segmentation_covering(leaves, truth, partitions)
    expected = [covering_twin(regions[leaves], truth) for regions in partitions]
    np.testing.assert_allclose(measured, expected)


def test_the_same_segmentation_covers_all():
    truth = np.arange(12).reshape(3, 4) % 3
    assert segmentation_covering(truth, truth, [np.arange(3)]).tolist() == [1.0]


def test_one_threshold_for_all_is_at_most_the_best_of_each():
    scores = covering_scores([np.array([0.2, 0.8]), np.array([0.9, 0.1])])
    assert scores['covering_ODS'] == pytest.approx(0.55)
    assert scores['covering_OIS'] == pytest.approx(0.85)


def test_no_image():
    assert covering_scores([]) == {'covering_ODS': -1.0, 'covering_OIS': -1.0}
