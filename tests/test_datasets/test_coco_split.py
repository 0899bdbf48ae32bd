import json

import numpy as np
import pytest
from mmdet.registry import DATASETS
from pycocotools import mask as mask_utils

from mmdet_ovis.datasets import CocoSplitDataset, PseudoLabelCocoDataset

SIZE = 40
CATEGORIES = ('person', 'dog', 'kite')


def _rle(x, y, w, h, size=SIZE):
    mask = np.zeros((size, size), dtype=np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    rle = mask_utils.encode(mask)
    return {'size': rle['size'], 'counts': rle['counts'].decode()}


def _annotation(number, image_id, category_id, box=(2, 2, 10, 10), **more):
    return {
        'id': number,
        'image_id': image_id,
        'category_id': category_id,
        'bbox': list(box),
        'area': box[2] * box[3],
        'iscrowd': 0,
        'segmentation': _rle(*box),
        **more,
    }


@pytest.fixture
def ann_file(tmp_path):
    """Image 1: person and kite; 2: kite only; 3: empty; 4: a crowd of persons."""
    path = tmp_path / 'gt.json'
    path.write_text(
        json.dumps(
            {
                'images': [
                    {'id': i, 'file_name': f'{i}.jpg', 'height': SIZE, 'width': SIZE}
                    for i in (1, 2, 3, 4)
                ],
                'categories': [
                    {'id': i, 'name': name} for i, name in enumerate(CATEGORIES, 1)
                ],
                'annotations': [
                    _annotation(1, 1, 1),
                    _annotation(2, 1, 3, box=(20, 20, 8, 8)),
                    _annotation(3, 2, 3),
                    _annotation(4, 4, 1, iscrowd=1),
                ],
            }
        )
    )
    return path


@pytest.fixture
def pseudo_file(tmp_path):
    """Image 1: three masks with gt_iou .6, .2, .1; image 2: one."""

    def ann(image_id, rank, gt_iou, score):
        ann = _annotation(0, image_id, 1, box=(5 + rank, 5, 6, 6))
        del ann['id']
        return {
            **ann, 'rank': rank, 'gt_iou': gt_iou, 'score': score, 'source': 'pa',
            'pseudo': 1,
        }  # fmt: skip

    path = tmp_path / 'masks.json'
    path.write_text(
        json.dumps(
            [
                [ann(1, 0, 0.6, 1.9), ann(1, 1, 0.2, 1.8), ann(1, 2, 0.1, 1.7)],
                [ann(2, 0, 0.0, 1.5)],
                [],
                [],
            ]
        )
    )
    return path


def _dataset(ann_file, cls=CocoSplitDataset, **options):
    options = {
        'filter_cfg': {'filter_empty_gt': True, 'min_size': 32},
        'is_class_agnostic': True,
        **options,
    }
    return cls(ann_file=str(ann_file), data_prefix={'img': ''}, pipeline=[], **options)


def _ids(dataset):
    return [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))]


def test_seen_instances_only_and_one_class(ann_file):
    dataset = _dataset(ann_file, train_class='person')
    assert dataset.metainfo['classes'] == ('object',)
    info = dataset.get_data_info(0)
    assert [i['bbox'] for i in info['instances']] == [[2, 2, 12, 12]]
    assert {i['bbox_label'] for i in info['instances']} == {0}


def test_images_without_seen_objects_are_dropped_and_crowds_count(ann_file):
    assert _ids(_dataset(ann_file, train_class='person')) == [1, 4]
    assert _ids(_dataset(ann_file, train_class='nonperson')) == [1, 2]


def test_classes_may_be_given_by_category_id(ann_file):
    ids = {c['name']: c['id'] for c in json.loads(ann_file.read_text())['categories']}
    dataset = _dataset(ann_file, train_class=[ids['person']], eval_class=[ids['kite']])
    assert _ids(dataset) == [1, 4]
    assert dataset.eval_cat_ids == [ids['kite']]
    with pytest.raises(ValueError, match='no category id 77'):
        _dataset(ann_file, train_class=[77])


def test_nothing_is_dropped_in_test_mode(ann_file):
    dataset = _dataset(ann_file, train_class='person', test_mode=True)
    assert _ids(dataset) == [1, 2, 3, 4]


def test_small_images_are_dropped_and_an_empty_dataset_is_an_error(ann_file):
    content = json.loads(ann_file.read_text())
    content['images'][0]['height'] = 31
    ann_file.write_text(json.dumps(content))
    assert _ids(_dataset(ann_file, train_class='person')) == [4]
    with pytest.raises(ValueError, match=r'gt\.json: none of its 4 images is left'):
        _dataset(ann_file, filter_cfg={'filter_empty_gt': True, 'min_size': 41})


def test_unseen_objects_can_be_kept_with_a_mark(ann_file):
    dataset = _dataset(ann_file, train_class='person', keep_unseen=True, test_mode=True)
    assert [i['is_seen'] for i in dataset.get_data_info(0)['instances']] == [
        True,
        False,
    ]
    assert [i['is_seen'] for i in dataset.get_data_info(1)['instances']] == [False]


@pytest.mark.parametrize('empty', [True, False])
def test_lists_of_images_without_annotations(ann_file, empty):
    content = json.loads(ann_file.read_text())
    content['annotations'] = []
    if not empty:
        del content['annotations']
    ann_file.write_text(json.dumps(content))
    dataset = _dataset(ann_file, test_mode=True)
    assert _ids(dataset) == [1, 2, 3, 4]
    assert dataset.get_data_info(0)['instances'] == []
    with pytest.raises(ValueError, match='none of its 4 images is left'):
        _dataset(ann_file)


def test_labels_stay_when_classes_count(ann_file):
    dataset = _dataset(
        ann_file, is_class_agnostic=False, train_class=['person', 'kite']
    )
    names = dataset.metainfo['classes']
    assert len(names) == 80
    labels = [i['bbox_label'] for i in dataset.get_data_info(0)['instances']]
    # mmdet numbers the categories that the file has.
    assert labels == [0, 2]


def test_builds_from_config(ann_file):
    dataset = DATASETS.build(
        dict(type='CocoSplitDataset', ann_file=str(ann_file), train_class='person',
             data_prefix=dict(img=''), is_class_agnostic=True, pipeline=[])
    )  # fmt: skip
    assert len(dataset) == 4


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'train_class': 'vocc'}, 'unknown class split'),
        ({'train_class': 'voc'}, r"gt\.json.*the dataset lacks.*'bicycle'"),
        ({'eval_class': ['unicorn']}, 'unicorn'),
        (
            {'is_class_agnostic': False, 'metainfo': {'classes': ('ufo',)}},
            'none of the',
        ),
    ],
)
def test_mistakes_in_splits_are_named(ann_file, options, message):
    with pytest.raises(ValueError, match=message):
        _dataset(ann_file, **options)


def test_missing_and_broken_annotation_files_are_named(tmp_path, ann_file):
    with pytest.raises(FileNotFoundError, match=r'none\.json'):
        _dataset(tmp_path / 'none.json')
    ann_file.write_text(ann_file.read_text()[:-20])
    with pytest.raises(ValueError, match=r'gt\.json is not valid JSON'):
        _dataset(ann_file)


def _pseudo(ann_file, pseudo_file, **options):
    return _dataset(
        ann_file,
        PseudoLabelCocoDataset,
        additional_ann_file=str(pseudo_file),
        **{'train_class': 'person', **options},
    )


def _pseudo_boxes(dataset, index):
    instances = dataset.get_data_info(index)['instances']
    return [i['bbox'][0] for i in instances if i.get('is_pseudo')]


def test_case_c4_second_mask_is_the_first_that_is_new(ann_file, pseudo_file):
    dataset = _pseudo(ann_file, pseudo_file, iou_thresh=0.5, top_k=1)
    assert _pseudo_boxes(dataset, 0) == [6]
    info = dataset.get_data_info(0)
    assert [i.get('is_pseudo', False) for i in info['instances']] == [False, True]
    assert info['instances'][1]['bbox_label'] == 0


def test_case_c5_pseudo_masks_stay_for_every_split(ann_file, pseudo_file):
    dataset = _pseudo(ann_file, pseudo_file, train_class='nonperson', iou_thresh=0.5)
    assert _ids(dataset) == [1, 2]
    assert _pseudo_boxes(dataset, 0) == [6, 7]
    assert _pseudo_boxes(dataset, 1) == [5]


def test_case_c6_images_without_seen_objects(ann_file, pseudo_file):
    assert _ids(_pseudo(ann_file, pseudo_file)) == [1, 4]
    dataset = _pseudo(ann_file, pseudo_file, use_images_without_gt=True)
    assert _ids(dataset) == [1, 2, 4]
    assert _pseudo_boxes(dataset, 1) == [5]


def test_random_masks_differ_between_visits(ann_file, pseudo_file):
    dataset = _pseudo(ann_file, pseudo_file, top_k=1, random_sample_masks=True)
    seen = {tuple(_pseudo_boxes(dataset, 0)) for _ in range(60)}
    assert seen == {(5,), (6,), (7,)}


def test_pseudo_masks_of_other_images_are_refused(ann_file, pseudo_file):
    content = json.loads(pseudo_file.read_text())
    content[1][0]['image_id'] = 99
    pseudo_file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'masks\.json.*image_id 99'):
        _pseudo(ann_file, pseudo_file)


def test_masks_of_another_size_are_refused(ann_file, pseudo_file):
    content = json.loads(pseudo_file.read_text())
    content[1][0]['segmentation'] = _rle(1, 1, 4, 4, size=20)
    pseudo_file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'image_id 2 has size \[20, 20\]'):
        _pseudo(ann_file, pseudo_file)


def test_broken_pseudo_file_is_named(ann_file, pseudo_file):
    pseudo_file.write_text('[[')
    with pytest.raises(ValueError, match=r'masks\.json'):
        _pseudo(ann_file, pseudo_file)
