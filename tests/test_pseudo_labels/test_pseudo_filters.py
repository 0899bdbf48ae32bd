"""Choosing among the pseudo annotations of an image."""

from __future__ import annotations

import random

import pytest

from mmdet_ovis.pseudo_labels.filters import select_pseudo_annotations


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
