"""Pseudo masks that are read from one file an image while training."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from pycocotools import mask as mask_api

from mmdet_ovis.datasets import OnlinePseudoLabelDataset, online_pseudo_label

SIZES = {1: (40, 48), 2: (48, 40), 3: (40, 48), 4: (20, 48)}  # id: height, width
PERSON = {
    'id': 1,
    'image_id': 1,
    'category_id': 1,
    'bbox': [0, 0, 20, 20],
    'area': 400,
    'iscrowd': 0,
    'segmentation': [[0, 0, 20, 0, 20, 20, 0, 20]],
}


def pseudo(image_id, rank, box, score=1.5, size=None):
    size = size or SIZES[image_id]
    x, y, w, h = box
    mask = np.zeros(size, np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    counts = mask_api.encode(mask)['counts'].decode()
    return {
        'image_id': image_id,
        'category_id': 1,
        'segmentation': {'size': list(size), 'counts': counts},
        'bbox': list(box),
        'area': w * h,
        'iscrowd': 0,
        'score': score,
        'rank': rank,
        'gt_iou': 0.0,
        'source': 'pa',
        'pseudo': 1,
    }


MASKS = {
    1: [
        pseudo(1, rank, (2 + 4 * rank, 2, 8, 8), score=2 - rank / 10)
        for rank in range(4)
    ],
    3: [],
    4: [pseudo(4, 0, (0, 0, 8, 8))],
}


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def folder(tmp_path):
    """Files of the images 1, 3 (empty) and 4 (too small); none of image 2."""
    (tmp_path / 'masks').mkdir()
    for image_id, anns in MASKS.items():
        write(tmp_path, image_id, anns)
    return tmp_path


def write(folder, image_id, anns):
    (folder / 'masks' / f'{image_id}.json').write_text(json.dumps(anns))


@pytest.fixture
def make(folder):
    def make(annotations=(), **options):
        images = [
            {'id': i, 'file_name': f'{i}.jpg', 'height': h, 'width': w}
            for i, (h, w) in SIZES.items()
        ]
        content = {
            'images': images,
            'categories': [{'id': 1, 'name': 'object'}],
            'annotations': list(annotations),
        }
        (folder / 'images.json').write_text(json.dumps(content))
        return OnlinePseudoLabelDataset(
            **{
                'data_root': str(folder),
                'ann_file': 'images.json',
                'ann_dir': 'masks',
                'data_prefix': {'img': ''},
                'is_class_agnostic': True,
                'filter_cfg': {'filter_empty_gt': True, 'min_size': 32},
                'pipeline': [],
                **options,
            }
        )

    return make


def ids(dataset):
    return [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))]


def scores(dataset, index=0):
    instances = dataset.prepare_data(index)['instances']
    return [i['pseudo_score'] for i in instances]


def test_images_without_annotations_stay_and_small_ones_go(make):
    assert ids(make()) == [1, 2, 3]
    assert ids(make(test_mode=True)) == [1, 2, 3, 4]


def test_masks_are_read_at_each_visit(make, folder):
    dataset = make()
    assert scores(dataset) == [2.0, 1.9, 1.8, 1.7]
    write(folder, 1, [pseudo(1, 0, (2, 2, 8, 8), score=0.5)])
    assert scores(dataset) == [0.5]
    (folder / 'masks' / '1.json').unlink()
    assert scores(dataset) == []


def test_images_without_a_file_or_with_an_empty_one(make):
    dataset = make()
    assert dataset.prepare_data(1)['instances'] == []
    assert dataset.prepare_data(2)['instances'] == []


def test_the_rules_of_choice_apply(make):
    assert scores(make(top_k=2)) == [2.0, 1.9]
    assert scores(make(score_thresh=1.8)) == [2.0, 1.9, 1.8]
    dataset = make(top_k=1, score_thresh=1.8, random_sample_masks=True)
    assert {tuple(scores(dataset)) for _ in range(60)} == {(2.0,), (1.9,), (1.8,)}
    weighted = make(score_weight=(1.7, 1.9)).prepare_data(0)['instances']
    assert [i['loss_weight'] for i in weighted] == pytest.approx([1, 1, 0.5, 0])


def test_ground_truth_is_merged_on_request(make):
    assert scores(make([PERSON])) == [2.0, 1.9, 1.8, 1.7]
    dataset = make([PERSON], merge_gt=True)
    instances = dataset.prepare_data(0)['instances']
    assert [i.get('is_pseudo', False) for i in instances] == [False] + 4 * [True]
    assert instances[0]['bbox'] == [0, 0, 20, 20]
    dataset = make([PERSON], merge_gt=True, contain_thresh=0.7)
    # Of the last mask, columns 14 to 21, three quarters lie in the object.
    assert len(dataset.prepare_data(0)['instances']) == 1
    dataset = make([PERSON], merge_gt=True, contain_thresh=0.75)
    assert len(dataset.prepare_data(0)['instances']) == 2


def test_the_cache_is_off_unless_wanted(make, monkeypatch):
    read, calls = online_pseudo_label.read_per_image, []
    monkeypatch.setattr(
        online_pseudo_label,
        'read_per_image',
        lambda folder, image_id: calls.append(image_id) or read(folder, image_id),
    )
    dataset = make()
    for index in (0, 0):
        dataset.prepare_data(index)
    assert calls == [1, 1]
    calls.clear()
    dataset = make(cache_size=2)
    for index in (0, 1, 0, 2, 0, 1):  # the third drives out the second
        dataset.prepare_data(index)
    assert calls == [1, 2, 3, 2]


def test_samplers_open_no_file(make, monkeypatch):
    monkeypatch.setattr(online_pseudo_label, 'read_per_image', None)
    loader = Runner.build_dataloader(
        dict(
            dataset=make(),
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            batch_sampler=dict(type='AspectRatioBatchSampler'),
        )
    )
    assert list(loader.batch_sampler) == [[0, 2], [1]]


def test_workers_get_a_copy(make):
    dataset = make(cache_size=1)
    dataset.prepare_data(0)
    assert scores(pickle.loads(pickle.dumps(dataset))) == [2.0, 1.9, 1.8, 1.7]


def test_a_wrong_folder_is_named(make, folder):
    with pytest.raises(FileNotFoundError, match=r'nowhere; --per-image-dir'):
        make(ann_dir='nowhere')
    (folder / 'other').mkdir()
    (folder / 'other' / '99.json').write_text('[]')
    with pytest.raises(ValueError, match=r'other has no <image_id>\.json of any'):
        make(ann_dir='other')


def test_wrong_files_are_named(make, folder):
    dataset = make()
    write(folder, 1, [pseudo(1, 0, (1, 1, 4, 4), size=(20, 24))])
    with pytest.raises(ValueError, match=r'1\.json: .* size \[20, 24\].*\[40, 48\]'):
        dataset.prepare_data(0)
    write(folder, 1, [pseudo(3, 0, (1, 1, 4, 4))])
    with pytest.raises(ValueError, match=r'1\.json\[0\].*image_id 3'):
        dataset.prepare_data(0)
    with pytest.raises(ValueError, match='cache_size is a number of images, not -1'):
        make(cache_size=-1)
    with pytest.raises(ValueError, match='contain_thresh compares with ground truth'):
        make([PERSON], contain_thresh=0.8)


@pytest.fixture
def detector(root):
    """The detector of the demo without the weights of its backbone."""
    cfg = Config.fromfile(root / 'configs/openshapes/class_agn_mask_rcnn.py')
    cfg.model.backbone.init_cfg = None
    torch.manual_seed(0)
    return cfg, MODELS.build(cfg.model)


def test_training_stays_finite_on_images_without_instances(
    detector, openshapes, tmp_path
):
    """A batch of images without one, then one that mixes both kinds."""
    cfg, model = detector
    images = json.loads((openshapes / 'annotations/instances_train.json').read_text())
    first, *_ = images['images']
    size = (first['height'], first['width'])
    (tmp_path / f'{first["id"]}.json').write_text(
        json.dumps([pseudo(first['id'], 0, (10, 10, 40, 40), size=size)])
    )
    images['annotations'] = []
    (tmp_path / 'images.json').write_text(json.dumps(images))
    dataset = DATASETS.build(
        dict(
            type='OnlinePseudoLabelDataset',
            data_root=str(openshapes),
            ann_file=str(tmp_path / 'images.json'),
            ann_dir=str(tmp_path),
            data_prefix=dict(img='train/'),
            is_class_agnostic=True,
            pipeline=cfg.train_dataloader.dataset.pipeline,
        )
    )
    assert len(dataset) == 12
    model.train()
    for indices, number in (((1, 2), 0), ((0, 1), 1)):
        items = [dataset[i] for i in indices]
        instances = [item['data_samples'].gt_instances for item in items]
        assert sum(len(gt) for gt in instances) == number
        data = model.data_preprocessor(
            {key: [item[key] for item in items] for key in items[0]}, True
        )
        losses = model.loss(data['inputs'], data['data_samples'])
        loss, _ = model.parse_losses(losses)
        assert torch.isfinite(loss)
        model.zero_grad()
        loss.backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                assert torch.isfinite(parameter.grad).all(), name
