"""The schema of pseudo annotations: what passes, and what each error says."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as mask_api

from mmdet_ovis.structures.pseudo_annotation import (
    check_pseudo_annotation,
    check_pseudo_annotations,
    check_rle,
    is_pseudo,
)


def encode(mask: np.ndarray) -> dict:
    rle = mask_api.encode(np.asfortranarray(mask, np.uint8))
    return {'size': list(rle['size']), 'counts': rle['counts'].decode()}


@pytest.fixture
def annotation() -> dict:
    mask = np.zeros((8, 10))
    mask[2:5, 3:7] = 1
    return {
        'image_id': 4,
        'category_id': 1,
        'segmentation': encode(mask),
        'bbox': [3, 2, 4, 3],
        'area': 12,
        'iscrowd': 0,
        'score': 1.8,
        'rank': 0,
        'gt_iou': 0.25,
        'source': 'pa',
        'pseudo': 1,
    }


def test_a_valid_annotation_passes(annotation):
    check_pseudo_annotation(annotation, 'f[0][0]')
    check_pseudo_annotation({**annotation, 'word': 'kite', 'extra': 3}, 'f[0][0]')
    for key in ('iscrowd', 'pseudo', 'source'):  # older files lack them
        del annotation[key]
    check_pseudo_annotation(annotation, 'f[0][0]')


@pytest.mark.parametrize(
    'key',
    [
        'image_id',
        'category_id',
        'segmentation',
        'bbox',
        'area',
        'score',
        'rank',
        'gt_iou',
    ],
)
def test_a_missing_key_is_named_with_its_place(annotation, key):
    del annotation[key]
    with pytest.raises(
        ValueError, match=rf"masks\.json\[3\]\[1\]: key '{key}' is miss"
    ):
        check_pseudo_annotation(annotation, 'masks.json[3][1]')


@pytest.mark.parametrize(
    ('key', 'value', 'remedy'),
    [
        ('image_id', '4', 'an integer'),
        ('image_id', True, 'an integer'),
        ('score', float('nan'), 'a finite number'),
        ('score', None, 'a finite number'),
        ('rank', -1, 'an integer >= 0'),
        ('rank', 0.5, 'an integer >= 0'),
        ('gt_iou', 1.5, r'a number in \[0, 1\]'),
        ('bbox', [1, 2, 3], r'\[x, y, width, height\]'),
        ('bbox', [1, 2, 3, float('inf')], r'\[x, y, width, height\]'),
        ('bbox', [1, 2, 0, 4], r'\[x, y, width, height\]'),
        ('area', 0, 'a positive number'),
        ('segmentation', [[0, 0, 1, 1, 1, 0]], 'a compressed RLE'),
        ('iscrowd', 1, 'must be 0'),
        ('source', 3, 'a str'),
    ],
)
def test_a_wrong_value_is_named_with_the_remedy(annotation, key, value, remedy):
    annotation[key] = value
    with pytest.raises(ValueError, match=rf"f\[0\]: key '{key}' is .*{remedy}"):
        check_pseudo_annotation(annotation, 'f[0]')


@pytest.mark.parametrize(
    ('change', 'complaint'),
    [
        ({'size': [8]}, 'segmentation.size'),
        ({'size': [8, 0]}, 'segmentation.size'),
        ({'size': [9, 10]}, r'not an RLE of size \[9, 10\]'),
        ({'counts': [4, 2]}, "segmentation.counts' is a list"),
        ({'counts': b'x'}, "segmentation.counts' is a bytes"),
        ({'counts': ''}, 'covers nothing of 80'),
        ({'counts': '\x01zz'}, 'covers nothing of 80'),
        ({'counts': 'ä'}, 'covers nothing of 80'),
    ],
)
def test_a_malformed_rle_is_refused(annotation, change, complaint):
    annotation['segmentation'].update(change)
    with pytest.raises(ValueError, match=complaint):
        check_pseudo_annotation(annotation, 'f[0]')


def test_a_cut_off_rle_is_refused(annotation):
    rle = annotation['segmentation']
    for end in range(len(rle['counts'])):
        with pytest.raises(ValueError, match='not an RLE'):
            check_rle({**rle, 'counts': rle['counts'][:end]}, 'f[0]')


def test_something_else_than_a_dict_is_refused():
    with pytest.raises(ValueError, match=r'f\[0\]: a pseudo annotation is a dict'):
        check_pseudo_annotation([1, 2], 'f[0]')


def test_gt_iou_may_be_unknown(annotation):
    check_pseudo_annotation({**annotation, 'gt_iou': None}, 'f[0][0]')


def test_several_are_checked_as_one_by_one(annotation):
    check_pseudo_annotations([], [])
    check_pseudo_annotations([annotation] * 3, ['f[0]', 'f[1]', 'f[2]'])
    damaged = copy.deepcopy(annotation)
    damaged['segmentation']['counts'] = damaged['segmentation']['counts'][:-1]
    for wrong in (damaged, {**annotation, 'rank': -1}, 3):
        with pytest.raises(ValueError, match=r'f\[0\]') as one:
            check_pseudo_annotation(wrong, 'f[0]')
        with pytest.raises(ValueError, match=r'f\[1\]') as several:
            check_pseudo_annotations([annotation, wrong], ['f[0]', 'f[1]'])
        assert str(several.value) == str(one.value).replace('f[0]', 'f[1]')


@given(st.data())
def test_no_damage_hides_among_several(data):
    """Masks with one character changed pass together where each passes alone."""
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    anns = []
    for _ in range(data.draw(st.integers(1, 5))):
        rle = encode(rng.random((9, 70)) < 0.1)
        counts = list(rle['counts'])
        counts[rng.integers(len(counts))] = chr(data.draw(st.integers(47, 112)))
        rle['counts'] = ''.join(counts)
        anns.append(
            {
                'image_id': 1,
                'category_id': 1,
                'segmentation': rle,
                'bbox': [0, 0, 1, 1],
                'area': 1,
                'score': 1.0,
                'rank': 0,
                'gt_iou': 0.0,
            }
        )

    def refused(check, *arguments) -> bool:
        try:
            check(*arguments)
        except ValueError:
            return True
        return False

    alone = [refused(check_rle, ann['segmentation'], 'f') for ann in anns]
    together = refused(check_pseudo_annotations, anns, ['f'] * len(anns))
    assert together == any(alone)


def test_ground_truth_is_told_from_pseudo_annotations(annotation):
    assert is_pseudo(annotation)
    truth = copy.deepcopy(annotation)
    for key in ('score', 'rank', 'gt_iou', 'pseudo', 'source'):
        del truth[key]
    assert not is_pseudo(truth)
    assert not is_pseudo({**truth, 'pseudo': 0})
