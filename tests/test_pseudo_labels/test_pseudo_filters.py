"""Choosing among the pseudo annotations of an image."""

from __future__ import annotations

import random

import pytest

from mmdet_ovis.pseudo_labels.filters import (
    drop_contained_annotations,
    score_weight,
    select_pseudo_annotations,
    suppress_overlaps,
)


def annotations(gt_ious, scores=None):
    scores = scores or [1.0] * len(gt_ious)
    return [
        {'rank': rank, 'gt_iou': iou, 'score': score}
        for rank, (iou, score) in enumerate(zip(gt_ious, scores, strict=True))
    ]


def ranks(*args, **kwargs):
    return [ann['rank'] for ann in select_pseudo_annotations(*args, **kwargs)]


def test_case_c4_first_of_those_no_seen_instance_explains():
    anns = annotations([0.6, 0.2, 0.1])
    assert ranks(anns, iou_thresh=0.5, top_k=1) == [1]


def test_case_c4_thresholds_are_strict_for_iou_and_inclusive_for_score():
    assert ranks(annotations([0.5, 0.499999]), iou_thresh=0.5) == [1]
    anns = annotations([0.0, 0.0], scores=[1.9, 1.899999])
    assert ranks(anns, score_thresh=1.9) == [0]


def test_no_condition_keeps_all_in_rank_order():
    anns = annotations([0.9, 0.2, 0.1])
    assert ranks(anns[::-1]) == [0, 1, 2]
    assert ranks(anns, top_k=0) == []
    assert ranks([]) == []


def test_a_random_choice_is_drawn_from_all_that_pass():
    anns = annotations([0.0, 0.9, 0.0, 0.0])
    drawn = [
        ranks(anns, iou_thresh=0.5, top_k=2, rng=random.Random(seed))
        for seed in range(50)
    ]
    assert {rank for choice in drawn for rank in choice} == {0, 2, 3}
    assert all(len(set(choice)) == 2 for choice in drawn)
    assert drawn[0] == ranks(anns, iou_thresh=0.5, top_k=2, rng=random.Random(0))


def test_the_input_is_left_alone():
    anns = annotations([0.0, 0.1, 0.2])
    select_pseudo_annotations(anns, rng=random.Random(1))
    assert [ann['rank'] for ann in anns] == [0, 1, 2]


def test_a_negative_top_k_is_refused():
    with pytest.raises(ValueError, match='top_k'):
        select_pseudo_annotations([], top_k=-1)


@pytest.fixture
def parts(make_rle):
    """Masks of 12 pixels: all, three quarters, half and none of them in an object."""
    boxes = [(0, 0, 4, 3), (1, 0, 4, 3), (2, 0, 4, 3), (10, 6, 4, 3)]
    return [
        {'rank': rank, 'segmentation': make_rle(*box)} for rank, box in enumerate(boxes)
    ]


@pytest.mark.parametrize(
    ('thresh', 'kept'),
    [(0.0, [3]), (0.5, [2, 3]), (0.74, [2, 3]), (0.75, [1, 2, 3]), (1.0, [0, 1, 2, 3])],
)
def test_parts_of_an_object_go(parts, make_rle, thresh, kept):
    objects = [make_rle(8, 8, 2, 2), make_rle(0, 0, 4, 6)]
    left = drop_contained_annotations(parts, objects, thresh)
    assert [ann['rank'] for ann in left] == kept


def test_a_mask_in_two_objects_is_no_part_of_either(parts, make_rle):
    halves = [make_rle(0, 0, 2, 12), make_rle(2, 0, 2, 12)]
    assert drop_contained_annotations(parts[:1], halves, 0.6) == parts[:1]
    assert drop_contained_annotations(parts[:1], halves, 0.4) == []


def test_nothing_to_compare(parts, make_rle):
    assert drop_contained_annotations(parts, [], 0.5) == parts
    assert drop_contained_annotations([], [make_rle(0, 0, 4, 6)], 0.5) == []


@pytest.mark.parametrize('thresh', [-0.1, 1.1])
def test_a_share_is_between_0_and_1(thresh):
    with pytest.raises(ValueError, match=r'contain_thresh is a share in \[0, 1\]'):
        drop_contained_annotations([], [], thresh)
    with pytest.raises(ValueError, match=r'iou_thresh is an IoU in \[0, 1\]'):
        suppress_overlaps([], thresh)


def test_what_is_suppressed_suppresses_nothing(make_rle):
    """Neighbours in a row overlap by a half; the second goes, so the third stays."""
    row = [{'segmentation': make_rle(x, 0, 6, 4)} for x in (0, 2, 4)]
    assert suppress_overlaps(row, 0.5) == row  # IoU 0.5 is not above it
    assert suppress_overlaps(row, 0.49) == [row[0], row[2]]
    assert suppress_overlaps(row[:1] * 300, 0.7) == row[:1]
    assert suppress_overlaps([], 0.7) == []


def test_weights_rise_with_the_score():
    weights = [score_weight(score, 1.2, 1.6) for score in (-1, 1.2, 1.3, 1.5, 1.6, 2)]
    assert weights == pytest.approx([0, 0, 0.25, 0.75, 1, 1])


def test_an_unknown_iou_is_not_compared():
    anns = [dict(rank=0, gt_iou=None, score=1.0)]
    assert select_pseudo_annotations(anns, score_thresh=0.5) == anns
    with pytest.raises(ValueError, match='that of some is unknown'):
        select_pseudo_annotations(anns, iou_thresh=0.5)
