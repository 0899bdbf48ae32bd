"""Boundary, calibration and proposal numbers with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from mmdet_ovis.evaluation.functional.affinity_error import (
    affinity_errors,
    affinity_scores,
    calibration_histogram,
    inner_outer_scores,
)
from mmdet_ovis.evaluation.functional.boundary import (
    BOUNDARY_THRESHOLDS,
    boundary_counts,
    boundary_scores,
    instance_boundary,
)
from mmdet_ovis.evaluation.functional.proposal_recall import (
    NEVER,
    finding_ranks,
    oracle_recall,
    proposal_recall,
    proposal_recalls,
    recall_by_threshold,
)


@pytest.fixture
def palette():
    """Two abutting instances on background, 20 x 24."""
    ids = np.zeros((20, 24), dtype=np.int32)
    ids[4:14, 3:11] = 1
    ids[4:14, 11:20] = 2
    return ids


def everywhere(palette):
    return np.ones(palette.shape, dtype=bool)


def scores_of(strength, palette, tolerance=0):
    counts = boundary_counts(
        strength, instance_boundary(palette), everywhere(palette), tolerance
    )
    return boundary_scores([counts])


def test_boundary_has_both_sides_and_not_the_frame(palette):
    boundary = instance_boundary(palette)
    by_hand = np.zeros_like(boundary)
    for i, j in np.ndindex(palette.shape):
        window = palette[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        by_hand[i, j] = (window != palette[i, j]).any()
    np.testing.assert_array_equal(boundary, by_hand)
    assert not instance_boundary(np.ones((3, 3), dtype=int)).any()


@pytest.mark.parametrize('tolerance', [0, 2])
def test_perfect_boundary_scores_one(palette, tolerance):
    scores = scores_of(instance_boundary(palette).astype(float), palette, tolerance)
    for name in ('ODS', 'OIS', 'AP', 'precision', 'recall'):
        assert scores[name] == 1


def test_constant_boundary_has_the_precision_of_chance(palette):
    share = instance_boundary(palette).mean()
    scores = scores_of(np.full(palette.shape, 0.3), palette)
    assert scores['recall'] == 1
    assert scores['precision'] == pytest.approx(share)
    assert scores['AP'] == pytest.approx(share)
    assert scores['ODS'] == scores['OIS'] == pytest.approx(2 * share / (1 + share))
    assert scores['threshold'] <= 0.3


def test_no_prediction_scores_zero(palette):
    scores = scores_of(np.zeros(palette.shape), palette)
    assert scores['ODS'] == scores['OIS'] == scores['AP'] == 0


@pytest.mark.parametrize(
    ('shift', 'tolerance', 'perfect'), [(2, 2, True), (3, 2, False)]
)
def test_tolerance_is_a_distance_in_pixels(shift, tolerance, perfect):
    palette = np.zeros((30, 30), dtype=int)
    palette[:, :15] = 1  # boundary: columns 14 and 15
    strength = np.zeros(palette.shape)
    strength[:, [14 + shift, 15 + shift]] = 1
    assert scores_of(strength, palette)['ODS'] == 0
    scores = scores_of(strength, palette, tolerance)
    assert (scores['ODS'] == 1) is perfect


def test_counts_equal_distances_at_every_threshold(palette):
    """The shortcut over thresholds equals a distance transform at each of them."""
    rng = np.random.default_rng(0)
    strength = rng.random(palette.shape)
    strength[rng.random(palette.shape) < 0.7] = 0
    valid = rng.random(palette.shape) < 0.8
    boundary = instance_boundary(palette)
    counts = boundary_counts(strength, boundary, valid, tolerance=2)
    boundary &= valid
    to_boundary = ndimage.distance_transform_edt(~boundary)
    for index, threshold in enumerate(BOUNDARY_THRESHOLDS):
        predicted = (strength >= threshold) & valid
        to_predicted = ndimage.distance_transform_edt(~predicted)
        expected = [
            predicted.sum(),
            (predicted & (to_boundary <= 2)).sum(),
            boundary.sum(),
            (boundary & (to_predicted <= 2)).sum(),
        ]
        assert counts[:, index].tolist() == expected


def test_pixels_that_are_not_valid_do_not_count(palette):
    boundary = instance_boundary(palette)
    valid = ndimage.binary_dilation(palette > 0)
    strength = np.where(valid, boundary, 1.0)
    counts = boundary_counts(strength, boundary, valid)
    assert boundary_scores([counts])['ODS'] == 1


def test_image_thresholds_beat_one_threshold_for_all(palette):
    boundary = instance_boundary(palette)
    weak = np.where(boundary, 0.3, 0.1)
    strong = np.where(boundary, 0.9, 0.5)
    counts = [
        boundary_counts(strength, boundary, everywhere(palette))
        for strength in (weak, strong)
    ]
    scores = boundary_scores(counts)
    assert scores['OIS'] == 1
    assert scores['ODS'] < 1


def test_no_boundary_at_all_is_minus_one():
    empty = np.zeros((4, 4), dtype=int)
    counts = boundary_counts(np.ones((4, 4)), empty > 0, everywhere(empty))
    assert set(boundary_scores([counts]).values()) == {-1.0}
    assert set(boundary_scores([]).values()) == {-1.0}


def test_errors_and_calibration_by_hand():
    prediction = np.array([[[0.25, 0.5, 1.0, 0.9]]], dtype=np.float32)
    target = np.array([[[0.5, 0.5, 1.0, 0.0]]], dtype=np.float32)
    valid = np.array([[[True, True, True, False]]])
    errors = [affinity_errors(prediction, target, valid)]
    scores = affinity_scores(errors)
    entropy = -(0.5 * np.log(0.25) + 0.5 * np.log(0.75)) + np.log(2)
    assert scores['MAE'] == pytest.approx(0.25 / 3)
    assert scores['BCE'] == pytest.approx(entropy / 3, abs=1e-6)
    assert scores['ECE'] == pytest.approx(0.25 / 3)
    histogram = calibration_histogram(errors)
    np.testing.assert_allclose(histogram[2], [0.25, 0.5, 1])
    np.testing.assert_allclose(histogram[9], [1, 1, 1])
    assert histogram[:, 2].sum() == 3
    assert np.isnan(histogram[0, :2]).all()


def test_errors_add_up_over_images():
    rng = np.random.default_rng(1)
    prediction, target = rng.random((2, 8, 10, 6))
    valid = rng.random((8, 10, 6)) < 0.5
    whole = affinity_scores([affinity_errors(prediction, target, valid)])
    halves = [
        affinity_errors(prediction[:, half], target[:, half], valid[:, half])
        for half in (slice(0, 3), slice(3, None))
    ]
    assert affinity_scores(halves) == pytest.approx(whole)


def test_perfect_calibration_has_no_error():
    prediction = np.random.default_rng(2).random((1, 9, 9))
    errors = [affinity_errors(prediction, prediction, prediction >= 0)]
    scores = affinity_scores(errors)
    assert scores['MAE'] == scores['ECE'] == 0


def test_nothing_valid_is_minus_one():
    nothing = np.zeros((1, 2, 2))
    errors = [affinity_errors(nothing, nothing, nothing > 0)]
    for images in (errors, []):
        assert affinity_scores(images) == {'MAE': -1.0, 'BCE': -1.0, 'ECE': -1.0}
        assert not calibration_histogram(images)[:, 2].any()


def test_inner_and_outer_errors_by_hand():
    """Per-image means, averaged over the images that have a valid location."""
    prediction = np.array([[[0.5, 0.75, 0.25, 0.9]]])
    target = np.array([[[1.0, 1.0, 0.0, 0.875]]])
    valid = np.ones((1, 1, 4), dtype=bool)
    first = affinity_errors(prediction, target, valid)
    second = affinity_errors(prediction, target, valid & (target == 0.875))
    nothing = affinity_errors(prediction, target, ~valid)
    scores = inner_outer_scores([first, second, nothing])
    assert scores == pytest.approx(
        {
            'inner_pa_l1': (0.5 + 0.25) / 2 / 2,
            'inner_pa_ce': -(np.log(0.5) + np.log(0.75)) / 2 / 2,
            'inner_pa_share': 2 / 5,
            'outer_pa_l1': 0.25 / 2,
            'outer_pa_ce': -np.log(0.75) / 2,
            'outer_pa_share': 1 / 5,
        },
        abs=1e-5,
    )
    assert scores['outer_pa_l1'] == pytest.approx(0.25 / (1 + 1e-5) / 2, abs=1e-12)


def test_bug_16_outer_errors_are_zero_where_targets_are_means():
    """No pixel next to an object has eight foreign neighbours, so no target is 0."""
    rng = np.random.default_rng(3)
    target = rng.integers(1, 9, (1, 20, 20)) / 8
    errors = affinity_errors(rng.random(target.shape), target, target > 0)
    scores = inner_outer_scores([errors])
    assert scores['outer_pa_ce'] == scores['outer_pa_l1'] == 0
    assert scores['outer_pa_share'] == 0
    assert scores['inner_pa_share'] > 0.05


def test_inner_and_outer_without_a_valid_location_are_minus_one():
    nothing = np.zeros((1, 2, 2))
    for images in ([affinity_errors(nothing, nothing, nothing > 0)], []):
        assert set(inner_outer_scores(images).values()) == {-1.0}


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r'\(8, 2, 2\), \(1, 2, 2\)'):
        affinity_errors(
            np.zeros((8, 2, 2)), np.zeros((1, 2, 2)), np.ones((1, 2, 2)) > 0
        )


def test_case_d3_proposals_count_at_the_threshold_and_legacy_above_it():
    """Case D3: IoU 0.72 reaches 5 thresholds; exactly 0.5 one, in legacy mode none."""
    assert proposal_recall(finding_ranks(np.array([[0.72]])), 1) == 0.5
    on_threshold = np.array([[0.5]])
    assert proposal_recall(finding_ranks(on_threshold), 1) == 0.1
    assert proposal_recall(finding_ranks(on_threshold, legacy_strict=True), 1) == 0


def test_each_proposal_takes_the_best_free_object():
    ious = np.array([[0.6, 0.7], [0.0, 0.9], [0.95, 0.0]])
    ranks = finding_ranks(ious)
    assert ranks[0].tolist() == [2, 0]  # at 0.5 the first proposal takes object 1
    assert ranks[5].tolist() == [2, 1]  # at 0.75 it reaches none
    assert ranks[9].tolist() == [2, NEVER]
    recalls = proposal_recalls(ranks, budgets=(1, 2, 3))
    assert recalls['AR@1'] == pytest.approx(5 / 20)
    assert recalls['AR@2'] == pytest.approx(9 / 20)
    assert recalls['AR@3'] == recalls['AR@all'] == pytest.approx(19 / 20)


def test_recall_by_threshold_averages_to_the_recall():
    ranks = finding_ranks(np.array([[0.6, 0.7], [0.0, 0.9], [0.95, 0.0]]))
    table = recall_by_threshold(ranks, budgets=(1, 2))
    assert table.shape == (10, 3)
    assert table[[0, 5, 9]].tolist() == [[0.5, 0.5, 1], [0, 0.5, 1], [0, 0, 0.5]]
    means = [*proposal_recalls(ranks, budgets=(1, 2)).values()]
    np.testing.assert_allclose(table.mean(axis=0), means)
    assert (recall_by_threshold(ranks[:, :0], budgets=(1,)) == -1).all()


def test_recall_without_objects_is_minus_one_and_without_proposals_zero():
    assert proposal_recall(finding_ranks(np.empty((3, 0)))) == -1
    assert proposal_recall(finding_ranks(np.empty((0, 2)))) == 0
    assert oracle_recall(np.empty(0)) == -1


def test_oracle_recall_shares_regions():
    assert oracle_recall(np.array([1.0, 0.5])) == pytest.approx((1 + 0.1) / 2)
