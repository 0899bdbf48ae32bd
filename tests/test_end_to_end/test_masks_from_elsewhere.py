"""Masks of another tool: from its results file to what a detector is trained with."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmdet_ovis.apis.pseudo_label_report import make_report
from mmdet_ovis.pseudo_labels import MergeOptions, merge_annotations
from mmdet_ovis.structures.class_splits import resolve_split

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / 'configs' / 'openshapes' / 'class_agn_mask_rcnn_pa.py'


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def truth(openshapes):
    return json.loads((openshapes / 'annotations/instances_train.json').read_text())


@pytest.fixture
def results(truth, tmp_path):
    """A tool that finds every object of every class, and reports them in any order."""
    found = [
        {
            'image_id': ann['image_id'],
            'segmentation': ann['segmentation'],
            'score': 2 + ann['id'] / 1000,
        }
        for ann in truth['annotations']
    ]
    random.Random(0).shuffle(found)
    path = tmp_path / 'sam_results.json'
    path.write_text(json.dumps(found))
    return path


@pytest.fixture
def build(openshapes, tmp_path):
    """Build the training set of a config with one line about the masks."""

    def make(masks: Path):
        config = tmp_path / 'ours.py'
        config.write_text(
            f'_base_ = {str(BASE)!r}\n'
            f'train_dataloader = dict(dataset=dict(additional_ann_file={str(masks)!r}))'
        )
        cfg = Config.fromfile(config).train_dataloader.dataset
        return DATASETS.build(cfg | {'data_root': str(openshapes), 'top_k': 100})

    return make


def pseudo_boxes(dataset) -> dict[int, list]:
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {
        info['img_id']: [
            instance['bbox'] for instance in info['instances'] if 'source' in instance
        ]
        for info in infos
    }


def test_only_what_is_not_labelled_becomes_a_pseudo_label(build, results, truth):
    names = {cat['id']: cat['name'] for cat in truth['categories']}
    seen = set(resolve_split('openshapes_seen', tuple(names.values())))
    unseen = {}
    for ann in sorted(truth['annotations'], key=lambda ann: -ann['id']):
        x, y, w, h = ann['bbox']
        if names[ann['category_id']] not in seen:
            unseen.setdefault(ann['image_id'], []).append([x, y, x + w, y + h])
    dataset = build(results)
    found = pseudo_boxes(dataset)
    assert sum(map(len, found.values())) > 0
    assert found == {image_id: unseen.get(image_id, []) for image_id in found}

    sample = dataset[0]['data_samples']
    image_id = sample.img_id
    labelled = sum(
        ann['image_id'] == image_id and names[ann['category_id']] in seen
        for ann in truth['annotations']
    )
    instances = sample.gt_instances
    assert len(instances.masks) == labelled + len(found[image_id])
    assert set(instances.labels.tolist()) == {0}


def test_merging_chooses_the_same_masks(build, results, openshapes, tmp_path):
    merged = tmp_path / 'merged.json'
    merge_annotations(
        openshapes / 'annotations/instances_train.json',
        [results],
        merged,
        MergeOptions(seen_class='openshapes_seen', max_gt_iou=0.5),
    )
    assert pseudo_boxes(build(merged)) == pseudo_boxes(build(results))


def test_the_report_sees_perfect_masks(results, openshapes, tmp_path):
    numbers = make_report(
        results,
        openshapes / 'train',
        tmp_path / 'report',
        gt=openshapes / 'annotations/instances_train.json',
        seen_class='openshapes_seen',
        num_pictures=2,
    )
    assert numbers['quality']['unseen']['AR@100'] == 1
    assert numbers['quality']['all']['precision'] == 1
    assert numbers['images_not_found'] == 0
