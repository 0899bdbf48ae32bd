"""Images with words of captions, with and without annotations, alone and mixed."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmdet_ovis.apis.caption_parsing import parse_captions
from mmdet_ovis.engine.vocabulary import class_names, set_vocabulary
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.models.roi_heads.bbox_heads.embedding_bbox_head import (
    EmbeddingBBoxHead,
)
from mmdet_ovis.structures.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parents[2]
SIZE = 48
WORDS = {
    'vocabulary': ['aerosol can', 'dog', 'couch'],
    'words': [
        {'image_id': 1, 'word': 'puppy', 'name': 'dog'},
        {'image_id': 1, 'word': 'sofa', 'name': 'couch'},
        {'image_id': 2, 'word': 'dog', 'name': 'dog'},
        {'image_id': 1, 'word': 'dog', 'name': 'dog'},
    ],
}


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def truth(number, image_id, category_id):
    polygon = [8, 8, 40, 8, 40, 40, 8, 40]
    return {
        'id': number,
        'image_id': image_id,
        'category_id': category_id,
        'bbox': [8, 8, 32, 32],
        'area': 1024,
        'iscrowd': 0,
        'segmentation': [polygon],
    }


@pytest.fixture
def folder(tmp_path):
    """Image 1: a person; 2: a dog, of no base class; 3: a person, 4: nothing."""
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'img').mkdir()
    for i in (1, 2, 3, 4):
        image = np.full((SIZE, SIZE, 3), i, np.uint8)
        cv2.imwrite(str(tmp_path / f'img/{i}.png'), image)
    content = {
        'images': [
            {'id': i, 'file_name': f'{i}.png', 'height': SIZE, 'width': SIZE}
            for i in (1, 2, 3, 4)
        ],
        'annotations': [truth(1, 1, 5), truth(2, 2, 9), truth(3, 3, 5)],
        'categories': [
            {'id': 5, 'name': 'person', 'split': 'base'},
            {'id': 9, 'name': 'dog', 'split': 'novel'},
            {'id': 12, 'name': 'tree'},
        ],
    }
    write(tmp_path, 'gt.json', content)
    write(tmp_path, 'words.json', WORDS)
    return tmp_path


def write(folder, name, content):
    (folder / 'annotations' / name).write_text(json.dumps(content))


def build(folder, kind='CaptionedOVCocoDataset', **options):
    common = {
        'type': kind,
        'data_root': str(folder),
        'ann_file': 'annotations/gt.json',
        'data_prefix': {'img': 'img/'},
        'split': 'base',
        'pipeline': [],
    }
    return DATASETS.build(common | options)


def infos(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


WORDS_FILE = {'words_file': 'annotations/words.json'}


def test_images_with_base_objects_and_words(folder):
    """By default the published set: no image without a base object."""
    dataset = build(folder, **WORDS_FILE)
    assert dataset.metainfo['classes'] == ('person',)
    assert dataset.metainfo['caption_vocabulary'] == ('aerosol can', 'dog', 'couch')
    assert dataset.known_words == {'puppy', 'sofa', 'dog'}
    first, third = infos(dataset)
    assert (first['img_id'], third['img_id']) == (1, 3)
    assert first['caption_words'] == ['puppy', 'sofa', 'dog']
    assert first['caption_labels'] == [1, 2, 1]
    assert (third['caption_words'], third['caption_labels']) == ([], [])
    assert first['has_gt']
    assert third['has_gt']


def test_images_with_words_alone_are_annotated_too(folder):
    dataset = build(folder, use_images_without_gt=True, **WORDS_FILE)
    found = {info['img_id']: info for info in infos(dataset)}
    assert list(found) == [1, 2, 3]  # 4 has neither
    assert found[2]['has_gt']
    assert found[2]['instances'] == []
    assert found[2]['caption_labels'] == [1]
    tested = build(folder, use_images_without_gt=True, test_mode=True, **WORDS_FILE)
    assert [info['img_id'] for info in infos(tested)] == [1, 3]


def test_a_dataset_without_words_reports_the_vocabulary_of_another(folder):
    path = str(folder / 'annotations/words.json')
    for vocabulary in (path, WORDS['vocabulary']):
        dataset = build(folder, caption_vocabulary=vocabulary)
        assert dataset.metainfo['caption_vocabulary'] == tuple(WORDS['vocabulary'])
        assert all(info['caption_words'] == [] for info in infos(dataset))
        build(folder, caption_vocabulary=vocabulary, **WORDS_FILE)
    assert 'caption_vocabulary' not in build(folder, 'OVCocoDataset').metainfo


CAPTIONS = {
    'train_index.json': ['2.png', '1.png', '9.png', '3.png'],
    'train_caption.json': ['A dog.', 'A puppy on a sofa.', 'A dog.', 'Sky.'],
}


def build_captions(folder, **options):
    for name, content in CAPTIONS.items():
        write(folder, name, content)
    more = {
        'ann_file': 'annotations/train_index.json',
        'class_file': str(folder / 'annotations/gt.json'),
        'skip_missing': True,
    }
    return build(folder, 'ConceptualCaptionsDataset', **(more | options))


def test_images_with_captions_alone(folder, caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    dataset = build_captions(folder, **WORDS_FILE)
    logger.removeHandler(caplog.handler)
    # 9 has no word here, and no file either.
    assert 'of 4 images 2 have no word of the vocabulary and 0 no file' in caplog.text
    first, second = infos(dataset)
    assert first['caption_words'] == ['puppy', 'sofa', 'dog']
    assert first['captions'] == ['A puppy on a sofa.']
    assert first['instances'] == second['instances'] == []
    assert not first['has_gt']
    assert not second['has_gt']
    assert dataset.get_cat_ids(0) == []
    assert dataset.metainfo == build(folder, **WORDS_FILE).metainfo


def test_words_of_another_list_of_images_are_refused(folder):
    """Ids are places in the list, which one image more changes."""
    rows = [
        {'image': f'{name}.png', 'caption': f'A {name}.'} for name in ('dog', 'fox')
    ]
    write(folder, 'list.json', rows)
    annotations = folder / 'annotations'
    parse_captions(
        annotations / 'list.json',
        Vocabulary(tuple(WORDS['vocabulary'])),
        annotations / 'words.json',
    )
    options = {'ann_file': 'annotations/list.json', 'skip_missing': False}
    dataset = build_captions(folder, **options, **WORDS_FILE)
    assert [info['caption_words'] for info in infos(dataset)] == [['dog']]
    write(folder, 'list.json', [*rows, {'image': 'cat.png', 'caption': 'A cat.'}])
    with pytest.raises(ValueError, match=r'words\.json: .*list\.json, of 3 images'):
        build_captions(folder, **options, **WORDS_FILE)


def test_captions_without_words_keep_all_images_that_are_there(folder):
    assert [info['img_id'] for info in infos(build_captions(folder))] == [1, 2, 3]
    every = build_captions(folder, skip_missing=False)
    assert [info['img_id'] for info in infos(every)] == [1, 2, 3, 9]
    assert 'height' not in every.get_data_info(0)
    rows = [{'image': '1.png', 'caption': 'A dog.', 'height': 4, 'width': 6}]
    write(folder, 'list.json', rows)
    (info,) = infos(build_captions(folder, ann_file='annotations/list.json'))
    assert (info['height'], info['width']) == (4, 6)


@pytest.mark.parametrize(
    ('make', 'options', 'message'),
    [
        (build, {}, 'needs caption_file or words_file, or caption_vocabulary'),
        (
            build,
            {'caption_vocabulary': ['dog'], 'use_images_without_gt': True},
            'needs the words of a words_file',
        ),
        (
            build,
            {'caption_vocabulary': ['dog'], **WORDS_FILE},
            r'words\.json: its words stand for 3 names, which are not the 1 of',
        ),
        (build_captions, {'caption_file': 'x'}, 'are those of its ann_file'),
        (build_captions, {'split': ['ufo']}, r"gt\.json: .* lacks: \['ufo'\]"),
        (
            build_captions,
            {'data_prefix': {'img': 'elsewhere'}},
            r'of 4 images 0 have no word .* and 4 no file in .*elsewhere; none is left',
        ),
    ],
)
def test_mistakes_are_named(folder, make, options, message):
    with pytest.raises(ValueError, match=message):
        make(folder, **options)


def test_files_of_words_without_names_are_named(folder):
    write(folder, 'list.json', [])
    path = str(folder / 'annotations/list.json')
    with pytest.raises(ValueError, match=r"list\.json is not .* no list 'vocabulary'"):
        build(folder, caption_vocabulary=path)
    with pytest.raises(FileNotFoundError, match='nowhere'):
        build(folder, caption_vocabulary='nowhere.json')


# ---------------------------------------------------------------- configs


def load(name):
    cfg = Config.fromfile(ROOT / f'configs/_base_/datasets/{name}.py')
    cfg.train_dataloader.num_workers = 0
    cfg.train_dataloader.persistent_workers = False
    return cfg


def place(dataset, folder, ann_file):
    dataset.update(
        data_root=str(folder), ann_file=ann_file, data_prefix={'img': 'img/'}
    )


def first_batches(cfg, number):
    loader = iter(Runner.build_dataloader(cfg.train_dataloader, seed=0))
    return [next(loader)['data_samples'] for _ in range(number)]


def test_coco_with_words_reaches_the_model(folder):
    cfg = load('ov_coco_caption')
    dataset = cfg.train_dataloader.dataset
    place(dataset, folder, 'annotations/gt.json')
    dataset.words_file = 'annotations/words.json'
    samples = {s.img_id: s for batch in first_batches(cfg, 3) for s in batch}
    assert set(samples) == {1, 3}
    assert samples[1].metainfo['caption_words'] == ['puppy', 'sofa', 'dog']
    assert samples[1].metainfo['caption_labels'] == [1, 2, 1]
    assert samples[3].metainfo['caption_words'] == []
    for sample in samples.values():
        assert sample.metainfo['has_gt'] is True
        assert len(sample.gt_instances.masks) == len(sample.gt_instances.labels) == 1
    assert cfg.val_dataloader.dataset.type == 'OVCocoDataset'
    assert cfg.test_cfg.type == 'OVTestLoop'


def mixed(folder):
    for name, content in CAPTIONS.items():
        write(folder, name, content)
    cfg = load('ov_openimages_cc')
    objects, captions = cfg.train_dataloader.dataset.datasets
    assert objects.type == 'ClassBalancedDataset'
    place(objects.dataset, folder, 'annotations/gt.json')
    objects.dataset.caption_vocabulary = str(folder / 'annotations/words.json')
    place(captions, folder, 'annotations/train_index.json')
    captions.words_file = 'annotations/words.json'
    captions.class_file = str(folder / 'annotations/gt.json')
    return cfg


def test_batches_of_both_kinds_of_images(folder):
    cfg = mixed(folder)
    for batch in first_batches(cfg, 4):
        annotated, captioned = batch
        assert annotated.metainfo['has_gt'] is True
        assert annotated.metainfo['caption_words'] == []
        assert annotated.gt_instances.labels.tolist() == [0]
        assert captioned.metainfo['has_gt'] is False
        assert captioned.metainfo['caption_words']
        assert len(captioned.gt_instances) == len(captioned.gt_instances.masks) == 0
    metainfo = DATASETS.build(cfg.train_dataloader.dataset).metainfo
    assert class_names(metainfo, 'the training set') == ('person',)
    assert metainfo['caption_vocabulary'] == ('aerosol can', 'dog', 'couch')


def test_parts_that_do_not_agree_are_refused(folder):
    cfg = mixed(folder)
    cfg.train_dataloader.dataset.datasets[1].split = None
    metainfo = DATASETS.build(cfg.train_dataloader.dataset).metainfo
    with pytest.raises(ValueError, match='parts of the training set differ'):
        class_names(metainfo, 'the training set')


def test_images_of_rare_classes_are_seen_more_often(folder):
    cfg = mixed(folder)
    objects = cfg.train_dataloader.dataset.datasets[0]
    objects.dataset.split = ['person', 'dog']
    objects.oversample_thr = 0.9  # the dog is in one of three images
    assert len(DATASETS.build(objects)) == 2 * 2 + 2
    objects.oversample_thr = 0.1
    assert len(DATASETS.build(objects)) == 3


# ---------------------------------------------------------------- order of rows


@pytest.mark.parametrize('classes', [('tree', 'dog', 'person'), ('dog', 'person')])
def test_cmpl_case_2_names_in_another_order_change_no_prediction(folder, classes):
    """Labels, names and rows of vectors follow the file, not config or bank."""
    bank = TextEmbeddingBank(('dog', 'tree', 'person'), np.eye(3))
    bank.save(folder / 'bank.npz')
    model = EmbeddingBBoxHead(
        embed_dim=3, in_channels=4, embeddings=str(folder / 'bank.npz')
    )
    dataset = build(folder, 'OVCocoDataset', split=None, metainfo={'classes': classes})
    names = class_names(dataset.metainfo, 'the test set')
    assert names == tuple(name for name in ('person', 'dog', 'tree') if name in classes)
    set_vocabulary(model, names)
    # Regions that look like a person, a dog and a person, as the images show them.
    logits = model.classifier(torch.tensor([[0.0, 0, 9], [9, 0, 0], [0, 0, 9]]))
    labels = [info['instances'][0]['bbox_label'] for info in infos(dataset)]
    assert logits.argmax(1).tolist() == labels
    assert [names[label] for label in labels] == ['person', 'dog', 'person']
