"""The open-vocabulary configs: what they share, and what one changes in another."""

from __future__ import annotations

import copy
import functools
import re
from pathlib import Path

import pytest
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'configs' / 'ovis'
NAMES = sorted(path.stem for path in FOLDER.glob('ovis_*.py'))
CROSS = ('voc07', 'lvis-v1', 'objects365-v2')
ABLATIONS = [name for name in NAMES if re.search(r'ov-coco_[a-z-]+$', name)]
DEFAULT = 'ovis_pseudo-only_r50-fpn_90k_ov-coco'


@functools.cache
def _parse(name: str) -> Config:
    return Config.fromfile(FOLDER / f'{name}.py')


def load(name: str) -> Config:
    return copy.deepcopy(_parse(name))


def flat(cfg: ConfigDict | dict, prefix: str = '') -> dict:
    """All leaves of a config by their path."""
    leaves = {}
    for key, value in cfg.items():
        path = f'{prefix}{key}'
        leaves |= flat(value, f'{path}.') if isinstance(value, dict) else {path: value}
    return leaves


def changes(name: str, of: str) -> set[str]:
    """Paths in which two configs differ."""
    ours, theirs = flat(load(name)), flat(load(of))
    return {
        key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)
    }


@pytest.mark.parametrize('name', NAMES)
def test_names_say_what_is_in_them(name):
    cfg = load(name)
    matched = re.match(
        r'ovis_(base-only|pseudo-only|pseudo-then-base|base-plus-novel-pseudo)_'
        r'(r50-fpn|r50-c4|swin-t-fpn)_(\d+)k_ov-coco', name
    )  # fmt: skip
    data, network, iterations = matched.groups()
    dataset = cfg.train_dataloader.dataset
    files = {
        'base-only': ('annotations/instances_train2017.json', None, 'base'),
        'pseudo-then-base': ('annotations/instances_train2017.json', None, 'base'),
        'pseudo-only': ('annotations/ovis_pseudo_train2017.json', None, None),
        'base-plus-novel-pseudo': (
            'annotations/instances_train2017.json',
            'annotations/ovis_pseudo_train2017.json',
            'all',
        ),
    }
    found = (dataset.ann_file, dataset.get('additional_ann_file'), dataset.split)
    assert found == files[data]
    assert cfg.model.backbone.type == (
        'SwinTransformer' if 'swin' in network else 'ResNet'
    )
    assert ('neck' in cfg.model) == network.endswith('fpn')
    assert cfg.train_cfg.max_iters == int(iterations) * 1000


@pytest.mark.parametrize('name', NAMES)
def test_nothing_knows_the_number_of_classes(name):
    cfg = load(name)
    head = cfg.model.roi_head.bbox_head
    assert 'num_classes' not in head
    assert 'reg_class_agnostic' not in head
    assert cfg.model.roi_head.mask_head.class_agnostic
    assert head.bg_weight == 0.2
    assert cfg.model.train_cfg.rcnn.sampler.pos_fraction == 1.0
    assert head.embeddings.startswith('data/text_embeddings/')


@pytest.mark.parametrize('name', NAMES)
def test_nothing_is_learnt_from_crowds(name):
    train_cfg = load(name).model.train_cfg
    assert train_cfg.rpn.assigner.ignore_iof_thr == 0.5
    assert train_cfg.rcnn.assigner.ignore_iof_thr == 0.5


@pytest.mark.parametrize('name', NAMES)
def test_a_step_is_as_many_images_as_the_rate_is_made_for(name):
    """On 8 GPUs."""
    cfg = load(name)
    assert 8 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size
    assert cfg.train_dataloader.sampler.type == 'InfiniteSampler'
    assert not cfg.log_processor.by_epoch
    assert not cfg.default_hooks.checkpoint.by_epoch
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters


def test_the_original_network_and_the_default_learn_from_the_same_data():
    for name in NAMES:
        if '_r50-c4_' in name:
            twins = [
                other
                for other in NAMES
                if other.partition('_r50-fpn_')[0] == name.partition('_r50-c4_')[0]
            ]
            assert twins
            ours = load(name).train_dataloader.dataset
            assert load(twins[0]).train_dataloader.dataset == ours


def test_the_original_network_is_that_of_the_papers():
    model = load('ovis_pseudo-only_r50-c4_150k_ov-coco').model
    assert model.data_preprocessor.mean == [102.9801, 115.9465, 122.7717]
    assert model.data_preprocessor.std == [1.0, 1.0, 1.0]
    weights = 'open-mmlab://detectron/resnet50_caffe'
    assert model.backbone.init_cfg.checkpoint == weights
    assert model.roi_head.shared_head.init_cfg.checkpoint == weights
    assert model.backbone.frozen_stages == 1
    assert model.rpn_head.loss_bbox == dict(type='SmoothL1Loss', beta=1 / 9)
    head = model.roi_head.bbox_head
    assert head.loss_bbox == dict(type='SmoothL1Loss', beta=1.0)
    for key in ('logit_mode', 'normalize_text', 'bg_mode', 'logit_scale'):
        assert key not in head  # raw scalar products, and a background of zeros
    assert model.test_cfg.rcnn.score_thr == 0.05
    assert model.test_cfg.rcnn.nms.iou_threshold == 0.5


def test_pretrained_weights_reach_res5():
    """mmdet's own C4 configs leave it at random weights."""
    cfg = load('ovis_base-only_r50-c4_90k_ov-coco').model
    with DefaultScope.overwrite_default_scope('mmdet'):
        head = MODELS.build(cfg.roi_head.shared_head)
    assert head.init_cfg.type == 'Pretrained'
    assert {key.partition('.')[0] for key in head.state_dict()} == {'layer4'}


@pytest.mark.parametrize('network', ['r50-fpn_90k', 'r50-c4_150k'])
def test_the_second_stage_goes_on_from_the_first(network):
    first = f'ovis_pseudo-only_{network}_ov-coco'
    second = f'ovis_pseudo-then-base_{network.split("_")[0]}_150k_ov-coco'
    cfg = load(second)
    iterations = load(first).train_cfg.max_iters
    assert cfg.load_from == f'work_dirs/{first}/iter_{iterations}.pth'
    differences = {key for key in changes(second, first) if key.startswith('model.')}
    assert differences == {'model.roi_head.bbox_head.freeze_emb'}
    assert cfg.optim_wrapper.optimizer.lr == 0.0005


def test_base_and_pseudo_labels_together():
    dataset = load('ovis_base-plus-novel-pseudo_r50-fpn_90k_ov-coco').train_dataloader
    dataset = dataset.dataset
    assert dataset.type == 'OVPseudoLabelCocoDataset'
    assert (dataset.train_class, dataset.pseudo_class) == ('base', 'novel')
    assert dataset.use_images_without_gt


@pytest.mark.parametrize('name', ABLATIONS)
def test_ablations_change_the_model_or_the_weights_of_labels_only(name):
    assert len((FOLDER / f'{name}.py').read_text().splitlines()) <= 15
    allowed = (
        'model.',
        'cosine.',
        'ignore.',
        'train_pipeline',
        'train_dataloader.data',
    )
    differences = changes(name, DEFAULT)
    assert differences
    assert all(key.startswith(allowed) for key in differences)
    if 'score-weight' not in name:
        assert not any(key.startswith('train_') for key in differences)


def test_there_are_ablations():
    assert len(ABLATIONS) == 3


@pytest.mark.parametrize('name', [n for n in NAMES if not n.endswith(CROSS)])
def test_tested_in_three_settings(name):
    cfg = load(name)
    assert cfg.test_cfg.type == 'OVTestLoop'
    assert cfg.test_dataloader.dataset.split == 'all'
    assert 'constrained' not in cfg.test_evaluator
    for group in ('base', 'novel'):
        setting = cfg.test_cfg.settings[f'constrained_{group}']
        assert setting.dataloader.dataset == dict(split=group)
        assert setting.evaluator == dict(constrained=group)
    assert cfg.test_evaluator.metric == ['bbox', 'segm']
    root = cfg.test_dataloader.dataset.data_root
    assert cfg.test_evaluator.ann_file == root + cfg.test_dataloader.dataset.ann_file


@pytest.mark.parametrize('dataset', CROSS)
def test_cross_dataset_configs_change_the_test_only(dataset):
    cfg = load(f'{DEFAULT}-{dataset}')
    assert cfg.test_cfg == dict(type='TestLoop')
    test = cfg.test_dataloader.dataset
    assert test.type == 'OVCocoDataset'
    assert test.split is None
    assert test.test_mode
    assert cfg.test_evaluator.type == 'OVCocoInstanceMetric'
    assert cfg.test_evaluator.ann_file == test.data_root + test.ann_file
    assert dataset in cfg.model.roi_head.bbox_head.embeddings
    loads_masks = any(step.get('with_mask') for step in test.pipeline)
    assert loads_masks == ('segm' in cfg.test_evaluator.metric)
    same = load(DEFAULT)
    for key in ('train_dataloader', 'val_dataloader', 'val_evaluator', 'optim_wrapper'):
        assert cfg[key] == same[key]
    cfg.model.roi_head.bbox_head.embeddings = same.model.roi_head.bbox_head.embeddings
    cfg.model.test_cfg.rcnn.max_per_img = same.model.test_cfg.rcnn.max_per_img
    assert cfg.model == same.model


def test_the_settings_of_open_vocabulary_tests_stand_once():
    shared = Config.fromfile(ROOT / 'configs/_base_/ov_evaluation.py').ov_test_cfg
    assert load(DEFAULT).test_cfg == shared
    small = Config.fromfile(ROOT / 'configs/openshapes/ov_base-only.py')
    assert small.test_cfg.type == shared.type
    assert small.test_cfg.settings == shared.settings
    said = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / 'configs').rglob('*.py')
        if 'constrained_novel' in path.read_text()
    ]
    assert said == ['configs/_base_/ov_evaluation.py']
