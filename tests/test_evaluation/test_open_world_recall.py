"""The cross-category recall protocol on scenes small enough to work out by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mmdet_ovis.evaluation.coco_objects import GroundTruth, Results
from mmdet_ovis.evaluation.functional.open_world_recall import (
    MAX_DETS,
    check_protocol,
    evaluate_image,
)
from mmdet_ovis.evaluation.functional.recall_summary import accumulate
from mmdet_ovis.evaluation.open_world import evaluate_open_world, split_category_ids

SEEN, UNSEEN = 7, 9
SEEN_BOX, UNSEEN_BOX = [0, 0, 50, 50], [100, 100, 50, 50]
BUDGETS = (1, 2, 3, 100)


def evaluate(detections, annotations=None, **options):
    """Evaluate (box, score) pairs on one image with a seen and an unseen object."""
    if annotations is None:
        annotations = [(SEEN_BOX, SEEN, 0), (UNSEEN_BOX, UNSEEN, 0)]
    dataset = {
        'images': [{'id': 0, 'height': 200, 'width': 200}],
        'categories': [{'id': SEEN, 'name': 'cat'}, {'id': UNSEEN, 'name': 'kite'}],
        'annotations': [
            # Ids start at 0, which COCOeval would take for "unmatched".
            {
                'id': i,
                'image_id': 0,
                'category_id': category,
                'bbox': box,
                'area': box[2] * box[3],
                'iscrowd': crowd,
            }
            for i, (box, category, crowd) in enumerate(annotations)
        ],
    }
    results = [{'image_id': 0, 'bbox': b, 'score': s} for b, s in detections]
    ground_truth = GroundTruth(dataset, 'gt')
    return evaluate_open_world(
        ground_truth,
        Results(results, ground_truth, 'dt').detections,
        split_category_ids(ground_truth, options.pop('eval_class', ['kite'])),
        ['bbox'],
        max_dets=options.pop('max_dets', BUDGETS),
        **options,
    )


def recalls(metrics, budgets=(1, 2, 3)):
    return [metrics[f'bbox_AR@{k}'] for k in budgets]


ON_SEEN = (SEEN_BOX, 0.9)
DUPLICATE = ([0, 0, 50, 48], 0.8)
ON_UNSEEN = (UNSEEN_BOX, 0.7)


def test_case_d1_duplicate_on_a_seen_object_keeps_its_place():
    """Case D1, first half."""
    detections = [ON_SEEN, DUPLICATE, ON_UNSEEN]
    assert recalls(evaluate(detections)) == [0, 1, 1]
    assert recalls(evaluate(detections, protocol='coco_ignore')) == [0, 0, 1]


def test_case_d1_detection_of_a_seen_object_leaves_the_budget():
    """Case D1, second half."""
    detections = [ON_SEEN, ON_UNSEEN]
    assert recalls(evaluate(detections)) == [1, 1, 1]
    assert recalls(evaluate(detections, protocol='coco_ignore')) == [0, 1, 1]


@pytest.mark.parametrize(('height', 'expected'), [(30, [1, 1]), (20, [0, 1])])
def test_case_d2_removal_is_decided_at_the_lowest_threshold(height, expected):
    """Case D2: IoU 0.6 with the seen object removes at all thresholds, 0.4 at none."""
    metrics = evaluate([([0, 0, 50, height], 0.9), ON_UNSEEN])
    assert recalls(metrics, (1, 2)) == expected


@pytest.mark.parametrize(('height', 'recall'), [(36, 0.5), (25, 0.1)])
def test_case_d3_recall_averages_thresholds_that_an_iou_reaches(height, recall):
    """Case D3: IoU 0.72 reaches 5 of 10 thresholds, IoU 0.50 one."""
    metrics = evaluate([([100, 100, 50, height], 0.9)])
    assert metrics['bbox_AR@100'] == pytest.approx(recall, abs=1e-12)
    assert metrics['bbox_AR50@100'] == 1


def test_case_d4_each_key_is_the_recall_of_its_own_budget():
    """Case D4: a hit at rank n counts from the first budget that is at least n."""
    rng = np.random.default_rng(0)
    misses = [([*rng.uniform(0, 40, 2), 4, 4], 1 - i / 1000) for i in range(99)]
    metrics = evaluate([*misses, (UNSEEN_BOX, 0.1)], max_dets=MAX_DETS)
    for k in MAX_DETS:
        assert metrics[f'bbox_AR@{k}'] == (1 if k >= 100 else 0)
    assert metrics['bbox_AR@100_m'] == 1
    assert metrics['bbox_AR@100_s'] == metrics['bbox_AR@100_l'] == -1


def test_case_d4_recall_array_matches_the_key():
    """Case D4 on arrays: the last axis of recall follows the budgets."""
    place = MAX_DETS.index(100)
    ious = np.zeros((120, 1))
    ious[99] = 1
    outcome = evaluate_image(
        ious,
        scores=np.linspace(1, 0, 120),
        det_areas=np.full(120, 50.0),
        object_areas=np.array([50.0]),
        crowd=np.array([False]),
        counts=np.array([[True]]),
    )
    recall = accumulate([outcome]).recall[0, 0]
    assert recall[:, place].mean() == 1
    assert recall[:, place - 1].mean() == 0


def test_seen_and_unseen_splits_mirror_each_other():
    metrics = evaluate([DUPLICATE, ON_UNSEEN])
    mirrored = evaluate([DUPLICATE, ON_UNSEEN], eval_class=['cat'])
    for key in ('AR@1', 'AR@100', 'AR50@100', 'AP', 'AP50', 'F1@100', 'AR@100_m'):
        assert metrics[f'seen_bbox_{key}'] == mirrored[f'bbox_{key}']
        assert metrics[f'bbox_{key}'] == mirrored[f'seen_bbox_{key}']
        assert metrics[f'all_bbox_{key}'] == mirrored[f'all_bbox_{key}']


def test_removed_detections_are_no_false_positives():
    metrics = evaluate([ON_SEEN, DUPLICATE, ON_UNSEEN])
    assert metrics['bbox_AP'] == pytest.approx(0.5)  # the duplicate is one
    assert evaluate([ON_SEEN, ON_UNSEEN])['bbox_AP'] == pytest.approx(1)
    # With the seen object dropped from the truth, both detections on it are wrong.
    filtered = evaluate([ON_SEEN, DUPLICATE, ON_UNSEEN], protocol='filtered_gt')
    assert filtered['bbox_AP'] == pytest.approx(1 / 3)
    assert recalls(filtered) == [0, 0, 1]


def test_f1_is_the_harmonic_mean_of_ap_and_ar():
    metrics = evaluate([ON_SEEN, DUPLICATE, ON_UNSEEN])
    assert metrics['bbox_F1@100'] == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert evaluate([])['bbox_F1@100'] == 0


def test_detection_on_both_kinds_goes_to_the_unseen_object():
    same_place = [(SEEN_BOX, SEEN, 0), (SEEN_BOX, UNSEEN, 0)]
    assert recalls(evaluate([ON_SEEN], same_place)) == [1, 1, 1]


def test_seen_crowd_removes_any_number_of_detections():
    crowd = [([0, 0, 90, 90], SEEN, 1), (UNSEEN_BOX, UNSEEN, 0)]
    inside = [([x, 0, 20, 20], 0.9) for x in range(0, 60, 20)]
    assert recalls(evaluate([*inside, ON_UNSEEN], crowd)) == [1, 1, 1]


def test_unseen_crowd_keeps_detections_in_the_budget():
    crowd = [([0, 0, 90, 90], UNSEEN, 1), (UNSEEN_BOX, UNSEEN, 0)]
    inside = [([x, 0, 20, 20], 0.9) for x in range(0, 40, 20)]
    metrics = evaluate([*inside, ON_UNSEEN], crowd)
    assert recalls(metrics) == [0, 0, 1]
    assert metrics['bbox_AP'] == pytest.approx(1)  # ... but they are not wrong


def test_nothing_to_find_gives_minus_one_and_nothing_found_zero():
    only_seen = evaluate([ON_SEEN], [(SEEN_BOX, SEEN, 0)])
    assert only_seen['bbox_AR@100'] == only_seen['bbox_AP'] == -1
    assert only_seen['bbox_F1@100'] == -1
    assert only_seen['seen_bbox_AR@100'] == only_seen['all_bbox_AR@100'] == 1
    assert recalls(evaluate([])) == [0, 0, 0]
    assert set(evaluate([ON_SEEN], []).values()) == {-1.0}


def test_detections_past_the_last_budget_do_not_move_up():
    on_seen = [(SEEN_BOX, 0.9)]
    misses = [([60, 60, 5, 5], 0.8)] * 99
    metrics = evaluate([*on_seen, *misses, (UNSEEN_BOX, 0.1)])
    assert metrics['bbox_AR@100'] == 0


def test_recall_grows_with_the_budget():
    rng = np.random.default_rng(3)
    annotations = [
        (
            [*rng.uniform(0, 150, 2), *rng.uniform(10, 60, 2)],
            rng.choice([SEEN, UNSEEN]),
            0,
        )
        for _ in range(20)
    ]
    detections = [
        ((np.array(box) * rng.uniform(0.85, 1.15, 4)).tolist(), rng.random())
        for box, _, _ in annotations * 8
    ]
    for protocol in ('xclass', 'coco_ignore', 'filtered_gt'):
        metrics = evaluate(detections, annotations, protocol=protocol)
        by_budget = recalls(metrics, BUDGETS)
        assert all(a <= b for a, b in pairwise(by_budget))
        assert 0 < by_budget[-1] < 1


def test_everything_evaluated_makes_the_protocols_equal():
    detections = [ON_SEEN, DUPLICATE, ON_UNSEEN]
    results = [
        evaluate(detections, eval_class='all', protocol=p)
        for p in ('xclass', 'coco_ignore', 'filtered_gt')
    ]
    assert results[0] == results[1] == results[2]
    assert results[0]['bbox_AR@100'] == results[0]['all_bbox_AR@100']
    assert results[0]['seen_bbox_AR@100'] == -1


def test_unknown_protocol_and_budgets_without_100_are_refused():
    with pytest.raises(ValueError, match='protocol is one of xclass'):
        check_protocol('coco', MAX_DETS)
    with pytest.raises(ValueError, match='hold 100'):
        check_protocol('xclass', (10, 50))
    with pytest.raises(ValueError, match='positive'):
        check_protocol('xclass', (0, 100))


def test_no_image_is_an_error():
    with pytest.raises(ValueError, match='no image'):
        accumulate([])
