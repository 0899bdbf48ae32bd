"""Open-vocabulary datasets: classes from the file, groups, captions."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from pycocotools import mask as mask_api

from mmdet_ovis.datasets.openshapes import CATEGORIES, UNSEEN_CLASSES
from mmdet_ovis.structures.class_splits import COCO_OV_BASE_CLASSES

SIZE = 40
COCO = CocoDataset.METAINFO['classes']
NAMES = {1: 'person', 17: 'cat', 18: 'dog', 58: 'hot dog'}
GROUPS = {'base_classes': ['person'], 'novel_classes': ['dog', 'cat']}


def rle(x, y, w, h):
    mask = np.zeros((SIZE, SIZE), np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    encoded = mask_api.encode(mask)
    return {'size': [SIZE, SIZE], 'counts': encoded['counts'].decode()}


def truth(number, image_id, category_id, box=(0, 0, 20, 20), **more):
    return {
        'id': number,
        'image_id': image_id,
        'category_id': category_id,
        'bbox': list(box),
        'area': box[2] * box[3],
        'iscrowd': 0,
        'segmentation': rle(*box),
        **more,
    }


def pseudo(image_id, rank, box, word, score=0.8, **more):
    ann = truth(0, image_id, 1, box, rank=rank, word=word, score=score, **more)
    del ann['id']
    return {'gt_iou': 0.0, 'source': 'gradcam', 'pseudo': 1, **ann}


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def content():
    """Image 1: person and dog; 2: dog; 3: hot dog; 4: a crowd of cats; 5: nothing."""
    return {
        'images': [
            {'id': i, 'file_name': f'{i}.png', 'height': SIZE, 'width': SIZE}
            for i in (1, 2, 3, 4, 5)
        ],
        'categories': [{'id': i, 'name': name} for i, name in NAMES.items()],
        'annotations': [
            truth(1, 1, 1),
            truth(2, 1, 18, (20, 20, 20, 20)),
            truth(3, 2, 18),
            truth(4, 3, 58),
            truth(5, 4, 17, iscrowd=1),
        ],
    }


@pytest.fixture
def make(tmp_path, content):
    def make(cls='OVCocoDataset', dataset=content, files=None, **options):
        (tmp_path / 'gt.json').write_text(json.dumps(dataset))
        for name, file in (files or {}).items():
            (tmp_path / name).write_text(json.dumps(file))
        return DATASETS.build(
            {
                'type': cls,
                'data_root': str(tmp_path),
                'ann_file': 'gt.json',
                'data_prefix': {'img': ''},
                'pipeline': [],
                **options,
            }
        )

    return make


def infos(dataset):
    return {
        info['img_id']: info
        for info in (dataset.get_data_info(i) for i in range(len(dataset)))
    }


def found(dataset):
    """Names of the instances by image."""
    names = dataset.metainfo['classes']
    return {
        image_id: [names[x['bbox_label']] for x in info['instances']]
        for image_id, info in infos(dataset).items()
    }


@pytest.mark.parametrize(
    ('split', 'classes', 'expected'),
    [
        ('base', ('person',), {1: ['person']}),
        ('novel', ('cat', 'dog'), {1: ['dog'], 2: ['dog'], 4: ['cat']}),
        (
            'all',
            ('person', 'cat', 'dog'),
            {1: ['person', 'dog'], 2: ['dog'], 4: ['cat']},
        ),
        (
            None,
            tuple(NAMES.values()),
            {1: ['person', 'dog'], 2: ['dog'], 3: ['hot dog'], 4: ['cat']},
        ),
        (['hot dog', 'person'], ('person', 'hot dog'), {1: ['person'], 3: ['hot dog']}),
        (
            'nonperson',
            ('cat', 'dog', 'hot dog'),
            {1: ['dog'], 2: ['dog'], 3: ['hot dog'], 4: ['cat']},
        ),
    ],
)
@pytest.mark.parametrize('test_mode', [False, True])
def test_classes_of_a_split_and_images_that_have_them(
    make, split, classes, expected, test_mode
):
    dataset = make(split=split, test_mode=test_mode, **GROUPS)
    assert dataset.metainfo['classes'] == classes
    assert found(dataset) == expected
    for group, name in (('base', 'person'), ('novel', 'dog')):
        inside = name in dataset.metainfo['classes']
        assert (name in dataset.metainfo[f'{group}_classes']) == inside


def test_images_without_annotations_can_stay(make):
    options = {'split': 'base', 'filter_cfg': {'filter_empty_gt': False}, **GROUPS}
    for test_mode in (False, True):
        assert list(infos(make(test_mode=test_mode, **options))) == [1, 2, 3, 4, 5]
    small = {'filter_empty_gt': True, 'min_size': SIZE + 1}
    with pytest.raises(ValueError, match='none of its 5 images is left'):
        make(split='base', filter_cfg=small, **GROUPS)


def test_row_order_is_that_of_the_file(make, content):
    """Whatever order a config names the classes in, labels and names agree."""
    shuffled = {'classes': ('dog', 'person', 'cat')}
    dataset = make(metainfo=shuffled, **GROUPS)
    assert dataset.metainfo['classes'] == ('person', 'cat', 'dog')
    assert found(dataset)[1] == ['person', 'dog']
    content['categories'].reverse()
    dataset = make(metainfo=shuffled, **GROUPS)
    assert dataset.metainfo['classes'] == ('dog', 'cat', 'person')
    assert found(dataset)[1] == ['person', 'dog']
    assert dataset.metainfo['novel_classes'] == ('dog', 'cat')


def test_coco_is_split_into_48_and_17_by_default(make, content):
    content['categories'] = [{'id': 100, 'name': name} for name in COCO]
    for number, category in enumerate(content['categories'], start=1):
        category['id'] = number
    dataset = make(split='all')
    metainfo = dataset.metainfo
    assert (len(metainfo['classes']), len(metainfo['base_classes'])) == (65, 48)
    assert len(metainfo['novel_classes']) == 17
    assert metainfo['base_classes'] == COCO_OV_BASE_CLASSES
    assert set(metainfo['classes']) < set(COCO)
    assert len(make().metainfo['classes']) == 80


def test_halves_of_openshapes(openshapes):
    options = {
        'type': 'CaptionedOVCocoDataset',
        'data_root': str(openshapes),
        'ann_file': 'annotations/instances_val.json',
        'data_prefix': {'img': 'val/'},
        'caption_file': 'annotations/captions_val.json',
        'base_classes': 'openshapes_seen',
        'novel_classes': 'openshapes_unseen',
        'pipeline': [],
    }
    metainfo = DATASETS.build({**options, 'split': 'all'}).metainfo
    assert metainfo['classes'] == CATEGORIES
    assert metainfo['base_classes'] + metainfo['novel_classes'] == CATEGORIES
    novel = DATASETS.build({**options, 'split': 'novel', 'test_mode': True})
    assert novel.metainfo['classes'] == UNSEEN_CLASSES
    assert len(novel) > 0
    assert all(info['captions'] and info['instances'] for info in infos(novel).values())


def test_groups_that_the_file_names(make, content):
    for category, mark in zip(
        content['categories'], ('seen', 'unseen', 'novel', None), strict=True
    ):
        if mark:
            category['split'] = mark
    metainfo = make(split='all').metainfo
    assert metainfo['base_classes'] == ('person',)
    assert metainfo['novel_classes'] == ('cat', 'dog')


def test_categories_can_be_renamed(make):
    dataset = make(
        split=['person', 'sausage'], renames={'hot dog': 'sausage', 'UFO': 'saucer'}
    )
    assert found(dataset) == {1: ['person'], 3: ['sausage']}
    assert dataset.metainfo['renames']['hot dog'] == 'sausage'
    with pytest.raises(
        ValueError, match=r'gt\.json: the categories \[18, 58\] are all'
    ):
        make(renames={'hot dog': 'dog'})
    assert len(make(split=['cat'], renames={'hot dog': 'dog'})) == 1


def test_crowds_are_ignored_or_background(make):
    ignored = infos(make(split='novel', **GROUPS))[4]['instances']
    assert [x['ignore_flag'] for x in ignored] == [1]
    dropped = infos(make(split='novel', crowd='drop', **GROUPS))
    assert dropped[4]['instances'] == []  # the image stays: its crowd counts
    assert len(dropped[2]['instances']) == 1


def test_labelled_classes_may_be_fewer(make):
    dataset = make(split='all', train_class='base', **GROUPS)
    assert dataset.metainfo['classes'] == ('person', 'cat', 'dog')
    assert found(dataset) == {1: ['person']}


def test_pseudo_annotations_of_the_file_are_marked(make, content):
    del content['annotations'][2]
    content['annotations'] += [
        # Too thin for mmdet, which leaves it out:
        {**pseudo(2, 0, (0, 0, 9, 9), 'dog'), 'id': 7, 'bbox': [0, 0, 0.5, 9]},
        {**pseudo(2, 1, (4, 4, 10, 10), 'dog', score=0.4), 'id': 8, 'category_id': 18},
    ]
    instances = infos(make(score_weight=(0.0, 0.8)))[2]['instances']
    assert len(instances) == 1
    assert instances[0]['bbox'] == [4, 4, 14, 14]
    assert instances[0]['is_pseudo'] is True
    assert instances[0]['pseudo_score'] == 0.4
    assert instances[0]['source'] == 'gradcam'
    assert instances[0]['loss_weight'] == 0.5
    plain = infos(make())
    assert 'loss_weight' not in plain[2]['instances'][0]
    assert not any('is_pseudo' in x for x in plain[1]['instances'])


MASKS = [
    [
        pseudo(1, 0, (0, 0, 20, 18), 'dog'),  # nine tenths of the person
        pseudo(1, 1, (20, 0, 20, 20), 'Cat', gt_iou=0.9),  # what others compared with
        pseudo(1, 2, (0, 20, 20, 20), 'person'),  # a base class
        pseudo(1, 3, (10, 0, 20, 20), 'dog', gt_iou=None),  # a third of the person
    ],
    [pseudo(2, 0, (0, 0, 10, 10), 'zebra'), pseudo(2, 1, (5, 5, 9, 9), 'dog')],
]


def test_base_objects_and_pseudo_instances_of_novel_classes(make):
    options = {
        'cls': 'OVPseudoLabelCocoDataset',
        'files': {'masks.json': MASKS},
        'additional_ann_file': 'masks.json',
        **GROUPS,
    }
    dataset = make(**options)
    assert dataset.metainfo['classes'] == ('person', 'cat', 'dog')
    assert found(dataset) == {1: ['person', 'cat', 'dog']}
    marks = [x.get('is_pseudo', False) for x in infos(dataset)[1]['instances']]
    assert marks == [False, True, True]
    assert found(make(use_images_without_gt=True, **options))[2] == ['dog']
    assert found(make(iou_thresh=0.95, **options))[1] == ['person', 'dog', 'cat', 'dog']
    assert found(make(pseudo_class=['cat'], **options))[1] == ['person', 'cat']
    assert found(make(pseudo_class='all', **options))[1] == [
        'person', 'cat', 'person', 'dog',
    ]  # fmt: skip


def test_pseudo_masks_of_other_classes_are_counted(make, caplog):
    options = {'cls': 'OVPseudoLabelCocoDataset', 'additional_ann_file': 'masks.json'}
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    make(files={'masks.json': MASKS}, **options, **GROUPS)
    logger.removeHandler(caplog.handler)
    assert '2 of 6 pseudo masks are left out' in caplog.text
    with pytest.raises(ValueError, match=r'none of its 1 pseudo masks.*example zebra'):
        make(files={'masks.json': [MASKS[1][:1]]}, **options, **GROUPS)


def test_without_a_word_the_category_counts(make):
    mask = {**pseudo(1, 0, (20, 20, 9, 9), ''), 'category_id': 17}
    del mask['word']
    dataset = make(
        'PseudoLabelCocoDataset',
        files={'masks.json': [[mask]]},
        additional_ann_file='masks.json',
        metainfo={'classes': ('person', 'cat')},
        filter_cfg={'filter_empty_gt': True},
    )
    assert found(dataset) == {1: ['person', 'cat'], 4: ['cat']}


CAPTIONS = {
    'images': [{'id': i, 'file_name': f'{i}.png'} for i in (1, 2)],
    'annotations': [
        {'id': 1, 'image_id': 1, 'caption': 'A man and his puppy.'},
        {'id': 2, 'image_id': 1, 'caption': 'A dog.'},
        {'id': 3, 'image_id': 2, 'caption': 'Two dogs.'},
    ],
}
WORDS = {
    'vocabulary': ['couch', 'dog'],
    'words': [
        {'image_id': 1, 'word': 'puppy', 'name': 'dog'},
        {'image_id': 1, 'word': 'dog', 'name': 'dog'},
        {'image_id': 1, 'word': 'puppy', 'name': 'dog'},
        {'image_id': 77, 'word': 'sofa', 'name': 'couch'},
    ],
}


def test_captions_and_words_come_with_the_images(make):
    options = {
        'files': {'captions.json': CAPTIONS, 'words.json': WORDS},
        'caption_file': 'captions.json',
        'words_file': 'words.json',
        'split': 'base',
        'filter_cfg': {'filter_empty_gt': False},
    }
    dataset = make('CaptionedOVCocoDataset', **options, **GROUPS)
    first, second, *_ = infos(dataset).values()
    assert first['captions'] == ['A man and his puppy.', 'A dog.']
    assert first['caption_words'] == ['puppy', 'dog']
    assert first['caption_labels'] == [1, 1]
    assert dataset.metainfo['caption_vocabulary'] == ('couch', 'dog')
    assert (first['has_gt'], second['has_gt']) == (True, True)
    assert second['instances'] == []  # what its image shows is no base object
    assert (second['captions'], second['caption_words']) == (['Two dogs.'], [])
    assert second['caption_labels'] == []
    del options['filter_cfg']
    assert list(infos(make('CaptionedOVCocoDataset', **options, **GROUPS))) == [1]


def test_captions_reach_the_data_sample(make, tmp_path):
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((SIZE, SIZE, 3), np.uint8))
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='PackInstanceInputs', meta_keys=('img_id', 'captions', 'has_gt')),
    ]
    dataset = make(
        'CaptionedOVCocoDataset',
        files={'captions.json': CAPTIONS},
        caption_file='captions.json',
        pipeline=pipeline,
    )
    sample = dataset[0]['data_samples']
    assert sample.captions == ['A man and his puppy.', 'A dog.']
    assert sample.has_gt


@pytest.mark.parametrize(
    ('cls', 'options', 'message'),
    [
        ('OVCocoDataset', {'split': 'bass'}, r"gt\.json: unknown class split 'bass'"),
        ('OVCocoDataset', {'split': ['ufo']}, r"gt\.json.*lacks: \['ufo'\]"),
        ('OVCocoDataset', {'split': 'base'}, 'no category is known as a base class'),
        ('OVCocoDataset', {'split': 'all'}, 'as a base or novel class'),
        ('OVCocoDataset', {'train_class': 'novel'}, 'known as a novel class'),
        ('OVCocoDataset', {'base_classes': ['dog']}, 'given together, or neither'),
        (
            'OVCocoDataset',
            {'base_classes': ['dog'], 'novel_classes': ['cat', 'dog']},
            r"\['dog'\] are base and novel",
        ),
        (
            'OVCocoDataset',
            {'base_classes': ['dog', 'ufo'], 'novel_classes': ['cat']},
            r"list of base classes holds classes.*lacks: \['ufo'\]",
        ),
        (
            'OVCocoDataset',
            {'crowd': 'keep'},
            "crowd is one of ignore, drop, not 'keep'",
        ),
        ('OVCocoDataset', {'is_class_agnostic': True}, "train_class='ov_base'"),
        (
            'OVCocoDataset',
            {'split': 'all', 'metainfo': {'classes': ('dog',)}},
            'given twice',
        ),
        ('CaptionedOVCocoDataset', {}, 'needs caption_file or words_file'),
        (
            'CaptionedOVCocoDataset',
            {
                'files': {'w.json': {**WORDS, 'words': WORDS['words'][3:]}},
                'words_file': 'w.json',
            },
            r'w\.json has nothing for any of the 5 images',
        ),
        (
            'OVPseudoLabelCocoDataset',
            {
                'files': {'masks.json': MASKS},
                'additional_ann_file': 'masks.json',
                'pseudo_class': ['ufo'],
                **GROUPS,
            },
            r"lacks: \['ufo'\]",
        ),
    ],
)
def test_mistakes_are_named(make, cls, options, message):
    with pytest.raises(ValueError, match=message):
        make(cls, **options)
