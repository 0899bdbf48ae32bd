"""Which pseudo masks a training set takes; the plain rules are in test_coco_split."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from pycocotools import mask as mask_api

from mmdet_ovis.datasets import PseudoLabelCocoDataset

SIZE = 40


def rle(x, y, w, h):
    mask = np.zeros((SIZE, SIZE), np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    encoded = mask_api.encode(mask)
    return {'size': [SIZE, SIZE], 'counts': encoded['counts'].decode()}


def polygon(x, y, w, h):
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def truth(number, category_id, box, **more):
    return {
        'id': number,
        'image_id': 1,
        'category_id': category_id,
        'bbox': list(box),
        'area': box[2] * box[3],
        'iscrowd': 0,
        'segmentation': polygon(*box),
        **more,
    }


def pseudo(rank, box, score=1.5, gt_iou=0.1, image_id=1):
    return {
        'image_id': image_id,
        'category_id': 1,
        'segmentation': rle(*box),
        'bbox': list(box),
        'area': box[2] * box[3],
        'iscrowd': 0,
        'score': score,
        'rank': rank,
        'gt_iou': gt_iou,
        'source': 'pa',
        'pseudo': 1,
    }


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def make(tmp_path):
    """Make a dataset of two images; person (seen) and kite (unseen) in the first."""

    def make(annotations, masks=(), results=None, **options):
        (tmp_path / 'gt.json').write_text(
            json.dumps(
                {
                    'images': [
                        {
                            'id': i,
                            'file_name': f'{i}.png',
                            'height': SIZE,
                            'width': SIZE,
                        }
                        for i in (1, 2)
                    ],
                    'categories': [
                        {'id': 1, 'name': 'person'},
                        {'id': 2, 'name': 'kite'},
                    ],
                    'annotations': annotations,
                }
            )
        )
        content = [list(masks), []] if results is None else results
        (tmp_path / 'masks.json').write_text(json.dumps(content))
        options = {
            'is_class_agnostic': True,
            'train_class': 'person',
            'pipeline': [],
            'filter_cfg': {'filter_empty_gt': True, 'min_size': 32},
            **options,
        }
        return PseudoLabelCocoDataset(
            data_root=str(tmp_path),
            ann_file='gt.json',
            data_prefix={'img': ''},
            additional_ann_file='masks.json',
            **options,
        )

    return make


def scores(dataset):
    instances = dataset.get_data_info(0)['instances']
    return [i['pseudo_score'] for i in instances if i.get('is_pseudo')]


PERSON, KITE, CROWD = (0, 0, 20, 20), (20, 20, 20, 20), (0, 20, 20, 20)
TRUTH = [
    truth(1, 1, PERSON),
    truth(2, 2, KITE),
    truth(3, 1, CROWD, iscrowd=1, segmentation=rle(*CROWD)),
]


def test_only_what_lies_inside_a_seen_object_is_a_part(make):
    masks = [
        pseudo(0, (2, 2, 10, 10), score=10),  # in the person
        pseudo(1, (12, 0, 10, 10), score=9),  # 4/5 in the person
        pseudo(2, (22, 22, 5, 5), score=8),  # in the kite, which is not seen
        pseudo(3, (2, 22, 5, 5), score=7),  # in the crowd
        pseudo(4, (14, 0, 10, 10), score=6),  # 3/5 in the person
    ]
    assert scores(make(TRUTH, masks, contain_thresh=0.8)) == [9, 8, 7, 6]
    assert scores(make(TRUTH, masks, contain_thresh=0.79)) == [8, 7, 6]
    assert scores(make(TRUTH, masks, contain_thresh=0.8, keep_unseen=True)) == [
        9, 8, 7, 6,
    ]  # fmt: skip
    assert scores(make(TRUTH, masks, contain_thresh=1.0)) == [10, 9, 8, 7, 6]
    assert scores(make(TRUTH, masks)) == [10, 9, 8, 7, 6]


def test_the_next_best_takes_the_place_of_a_part(make):
    masks = [
        pseudo(0, (2, 2, 10, 10), score=3),  # a part
        pseudo(1, (22, 22, 5, 5), score=2, gt_iou=0.7),  # labelled already
        pseudo(2, (25, 0, 10, 10), score=1),
    ]
    options = {'contain_thresh': 0.8, 'iou_thresh': 0.5, 'top_k': 1}
    assert scores(make(TRUTH, masks, **options)) == [1]
    assert scores(make(TRUTH, masks, **options, score_thresh=1.5)) == []


def test_random_masks_are_drawn_from_those_that_pass(make):
    masks = [
        pseudo(0, (2, 2, 10, 10), score=4),  # a part
        pseudo(1, (22, 22, 5, 5), score=3, gt_iou=0.7),
        pseudo(2, (25, 0, 10, 10), score=2),
        pseudo(3, (25, 5, 10, 10), score=1),
        pseudo(4, (25, 9, 10, 10), score=0),
    ]
    dataset = make(
        TRUTH, masks, contain_thresh=0.8, iou_thresh=0.5, score_thresh=1, top_k=1,
        random_sample_masks=True,
    )  # fmt: skip
    assert {tuple(scores(dataset)) for _ in range(40)} == {(2,), (1,)}


def test_scores_become_weights(make):
    masks = [
        pseudo(i, (25, i, 5, 5), score=score)
        for i, score in enumerate((2.5, 1.5, 1.0, 0.5))
    ]
    instances = make(TRUTH, masks, score_weight=(1.0, 2.0)).get_data_info(0)[
        'instances'
    ]
    weights = [i['loss_weight'] for i in instances if i.get('is_pseudo')]
    assert weights == [1.0, 0.5, 0.0, 0.0]
    assert not any('loss_weight' in i for i in instances if not i.get('is_pseudo'))
    plain = make(TRUTH, masks).get_data_info(0)['instances']
    assert not any('loss_weight' in i for i in plain)


def test_weights_and_sources_reach_the_data_sample(make, tmp_path):
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((SIZE, SIZE, 3), np.uint8))
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='LoadInstanceFlags'),
        dict(type='Resize', scale=(80, 80)),
        dict(type='RandomFlip', prob=1.0),
        dict(type='PackInstanceInputs'),
    ]
    dataset = make(
        TRUTH,
        [pseudo(0, (30, 0, 5, 5), score=1.25)],
        score_weight=(1.0, 2.0),
        pipeline=pipeline,
    )
    gt = dataset[0]['data_samples'].gt_instances  # the crowd is ignored
    assert gt.loss_weights.tolist() == [1.0, 0.25]
    assert gt.is_pseudo.tolist() == [False, True]
    masks = gt.masks.to_ndarray()
    assert masks[1].sum() == 100
    assert masks[1, 0, 10:20].all()  # flipped: 80 - 2 * 35 to 80 - 2 * 30
    assert dataset.get_data_info(0)['instances'][-1]['source'] == 'pa'


def test_images_without_any_seen_object(make):
    """Not even one image of the file has ground truth."""
    masks = [pseudo(0, (2, 2, 10, 10))]
    dataset = make([], masks, use_images_without_gt=True)
    assert [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))] == [1]
    with pytest.raises(ValueError, match='none of its 2 images is left'):
        make([], masks)
    with pytest.raises(ValueError, match='none of its 2 images is left'):
        make([], [pseudo(0, (2, 2, 10, 10), score=1)], use_images_without_gt=True,
             score_thresh=2)  # fmt: skip


def test_results_of_another_tool_are_compared_with_the_labels(make):
    """A flat list without ``gt_iou`` or ``rank``, masks as polygons."""
    results = [
        {'image_id': 1, 'segmentation': polygon(*box), 'score': score}
        for box, score in (((22, 22, 5, 5), 0.7), ((0, 0, 20, 18), 0.9))
    ]
    dataset = make(TRUTH, results=results, iou_thresh=0.95)
    assert scores(dataset) == [0.9, 0.7]
    assert dataset.get_data_info(0)['instances'][-1]['source'] == 'file'
    assert scores(make(TRUTH, results=results, iou_thresh=0.9)) == [
        0.7
    ]  # 0.9 is not below


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'contain_thresh': 1.5}, r'contain_thresh is a share in \[0, 1\], not 1\.5'),
        ({'contain_thresh': -0.1}, 'contain_thresh'),
        ({'score_weight': (2.0, 1.0)}, r'low < high, not \(2\.0, 1\.0\)'),
        ({'score_weight': (1.0, 1.0)}, 'score_weight'),
        ({'top_k': -1}, 'top_k'),
        ({'top_k': -1, 'random_sample_masks': True}, 'top_k'),
    ],
)
def test_options_out_of_range_are_named(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(TRUTH, [pseudo(0, (2, 2, 10, 10))], **options)
