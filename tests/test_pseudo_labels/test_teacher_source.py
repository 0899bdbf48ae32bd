"""What a teacher has made of words becomes annotations, or a reason."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS
from pycocotools import mask as mask_api

from mmdet_ovis.pseudo_labels.sources import TeacherEvidence
from mmdet_ovis.structures.pseudo_annotation import check_pseudo_annotation

SIZE = (12, 16)


def box_mask(x, y, w, h):
    mask = np.zeros(SIZE, bool)
    mask[y : y + h, x : x + w] = True
    return mask


def make_evidence(**changes):
    """A puppy of 20 pixels, a cat of 6 and a bus of 30; nobody looks for the man."""
    evidence = TeacherEvidence(
        7,
        SIZE,
        words=('man', 'puppy', 'cat', 'kayak', 'bus'),
        names=('person', 'dog', 'cat', 'boat', 'bus'),
        labels=(1, 2, 3, 9, 4),
        searched=(1, 2, 3, 4),
        places=np.array([0, 1, 3]),
        scores=np.array([0.5, 0.75, 0.625], np.float32),
        boxes=np.array([[1, 2, 5.125, 7], [0, 0, 3, 2], [8, 2, 14, 7]], np.float32),
        masks=np.stack(
            [box_mask(1, 2, 4, 5), box_mask(0, 0, 3, 2), box_mask(8, 2, 6, 5)]
        ),
    )
    return replace(evidence, **changes)


def annotate(evidence=None, **options):
    source = TASK_UTILS.build({'type': 'TeacherSource', **options})
    output = source.annotate(evidence or make_evidence())
    dropped = {item.name: item.reason for item in output.dropped}
    return output.annotations, dropped


def words(annotations):
    return [ann['word'] for ann in annotations]


def test_words_become_annotations_that_follow_the_schema():
    truth = mask_api.encode(np.asfortranarray(box_mask(1, 2, 4, 10), np.uint8))
    anns, dropped = annotate(make_evidence(gt_rles=[truth]))
    for ann in anns:
        check_pseudo_annotation(ann, 'here')
    assert json.loads(json.dumps(anns)) == anns
    assert words(anns) == ['cat', 'bus', 'dog']
    assert [ann['rank'] for ann in anns] == [0, 1, 2]
    dog = anns[2]
    assert dog.pop('segmentation')['size'] == list(SIZE)
    assert dog == {
        'image_id': 7,
        'category_id': 3,
        'bbox': [1, 2, 4, 5],
        'area': 20,
        'iscrowd': 0,
        'score': 0.5,
        'rank': 2,
        'gt_iou': 0.5,
        'source': 'teacher',
        'pseudo': 1,
        'word': 'dog',
        'phrase': 'puppy',
        'proposal_box': [1.0, 2.0, 5.12, 7.0],
    }
    assert dropped == {'person': 'labelled_class', 'boat': 'no_region'}


def test_masks_are_kept_to_the_pixel():
    evidence = make_evidence()
    anns, _ = annotate(evidence)
    for ann, i in zip(anns, (1, 2, 0), strict=True):
        assert (mask_api.decode(ann['segmentation']) == evidence.masks[i]).all()


@pytest.mark.parametrize(
    ('options', 'kept', 'reasons'),
    [
        ({'min_score': 0.625}, ['cat', 'bus'], {'dog': 'low_score'}),
        ({'min_area': 20}, ['bus', 'dog'], {'cat': 'small_mask'}),
        ({'topk': 1}, ['cat'], {'bus': 'beyond_topk', 'dog': 'beyond_topk'}),
        (
            {'topk': 1, 'min_area': 7, 'min_score': 0.5},
            ['bus'],
            {'cat': 'small_mask', 'dog': 'beyond_topk'},
        ),
    ],
)
def test_what_is_left_out_is_told(options, kept, reasons):
    anns, dropped = annotate(**options)
    assert words(anns) == kept
    assert [ann['rank'] for ann in anns] == list(range(len(kept)))
    assert dropped == {'person': 'labelled_class', 'boat': 'no_region', **reasons}


def test_a_mask_without_a_pixel_is_none():
    masks = make_evidence().masks.copy()
    masks[1] = False
    anns, dropped = annotate(make_evidence(masks=masks))
    assert words(anns) == ['bus', 'dog']
    assert dropped['cat'] == 'no_region'


def test_words_of_one_class_have_a_reason_of_their_own():
    """Of the two for a person, whom people annotated, nobody looks for either."""
    evidence = make_evidence(
        words=('man', 'puppy', 'cat', 'woman', 'bus', 'kitty'),
        names=('person', 'dog', 'cat', 'person', 'bus', 'cat'),
        labels=(1, 2, 3, 1, 4, 3),
        searched=(1, 2, 4),
        places=np.array([0, 1, 2]),
    )
    dropped = TASK_UTILS.build({'type': 'TeacherSource'}).annotate(evidence).dropped
    assert [(item.name, item.reason) for item in dropped] == [
        ('person', 'labelled_class'),
        ('person', 'labelled_class'),
        ('cat', 'same_class'),
    ]


def test_equal_scores_keep_the_order_of_the_words():
    anns, _ = annotate(make_evidence(scores=np.full(3, 0.5, np.float32)))
    assert words(anns) == ['dog', 'cat', 'bus']


def test_an_image_without_words_has_one_reason():
    assert annotate(TeacherEvidence(7, SIZE)) == ([], {'': 'no_known_word'})


def test_a_worker_can_have_it():
    source = TASK_UTILS.build({'type': 'TeacherSource', 'topk': 2})
    again = pickle.loads(pickle.dumps(source))
    assert again.parameters == {'topk': 2, 'min_score': None, 'min_area': 1}
    assert again.annotate(make_evidence()).annotations == annotate(topk=2)[0]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'topk': 0}, 'topk is the number of masks an image, not 0'),
        ({'min_score': 1.5}, r'min_score is in \[0, 1\] or None, not 1.5'),
        ({'min_area': 0}, 'min_area is a number of pixels, not 0'),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TASK_UTILS.build({'type': 'TeacherSource', **options})


def test_masks_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r'image_id 7: the masks are of \[12, 16\]'):
        annotate(make_evidence(ori_shape=(12, 20)))
