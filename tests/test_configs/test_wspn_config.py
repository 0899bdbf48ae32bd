"""The proposal network: its data, its words and its head fit together."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from mmdet_ovis.language.vocabularies import load_vocabulary


@pytest.fixture(scope='module')
def cfg(root):
    return Config.fromfile(root / 'configs/ovis/wspn_r50-dc5_90k_coco-captions.py')


def test_the_head_has_a_class_for_each_word(cfg):
    words = load_vocabulary(cfg.train_dataloader.dataset.vocabulary)
    assert cfg.model.roi_head.bbox_head.num_classes == len(words)


def test_no_annotation_of_an_object_is_read(cfg):
    dataset = cfg.train_dataloader.dataset
    assert dataset.type == 'CaptionLabelDataset'
    assert 'captions' in dataset.ann_file
    (loader,) = (x for x in dataset.pipeline if x.type == 'LoadAnnotations')
    assert loader == dict(type='LoadAnnotations', with_bbox=False, with_label=True)


def test_the_best_50_of_all_classes_are_proposed(cfg):
    assert cfg.model.roi_head.bbox_head.class_agnostic
    assert cfg.model.test_cfg.rcnn == dict(
        score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=50
    )


def test_training_and_testing_score_as_many_proposals(cfg):
    numbers = {
        step.num_max_proposals
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
        for step in loader.dataset.pipeline
        if step.type == 'LoadProposals'
    }
    assert numbers == {1000}
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        assert loader.dataset.proposal_file.endswith('.npz')


def test_it_is_judged_on_all_objects(cfg):
    dataset, evaluator = cfg.test_dataloader.dataset, cfg.test_evaluator
    assert dataset.is_class_agnostic
    assert evaluator.ann_file == dataset.data_root + dataset.ann_file
    assert (evaluator.metric, evaluator.eval_class) == ('bbox', 'all')
