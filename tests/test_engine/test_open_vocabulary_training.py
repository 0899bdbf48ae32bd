"""Open-vocabulary detectors in a runner: words, weights, schedules and settings."""

from __future__ import annotations

import copy
import json
import multiprocessing
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmengine.structures import InstanceData

from mmdet_ovis.apis.running import build_runner, run_test
from mmdet_ovis.engine.vocabulary import check_text_spaces, set_vocabulary
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.utils.checkpoint import load_checkpoint, load_model_checkpoint

DIM = 16
FORK = multiprocessing.get_context('fork')
SPLIT = dict(base_classes='openshapes_seen', novel_classes='openshapes_unseen')


def make_bank(path, names, dim=DIM, **options):
    vectors = np.random.default_rng(0).normal(size=(len(names), dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    TextEmbeddingBank(names, vectors, **{'normalization': 'both', **options}).save(path)
    return str(path)


@pytest.fixture(scope='module')
def words(openshapes):
    text = (openshapes / 'annotations' / 'instances_val.json').read_text()
    return tuple(category['name'] for category in json.loads(text)['categories'])


def shrink(cfg):
    """Make the FPN network narrow enough for seconds on a CPU."""
    cfg.merge_from_dict(dict(model=
        dict(
            backbone=dict(
                depth=18, base_channels=16, stem_channels=16, frozen_stages=-1,
                init_cfg=None,
            ),
            neck=dict(in_channels=[16, 32, 64, 128], out_channels=16),
            rpn_head=dict(in_channels=16, feat_channels=16),
            roi_head=dict(
                bbox_roi_extractor=dict(
                    out_channels=16, roi_layer=dict(sampling_ratio=1)
                ),
                bbox_head=dict(in_channels=16, fc_out_channels=32, embed_dim=DIM),
                mask_roi_extractor=dict(
                    out_channels=16, roi_layer=dict(sampling_ratio=1)
                ),
                mask_head=dict(num_convs=1, in_channels=16, conv_out_channels=16),
            ),
            train_cfg=dict(rcnn=dict(sampler=dict(num=32))),
            test_cfg=dict(
                rpn=dict(max_per_img=50), rcnn=dict(score_thr=0.0, max_per_img=20)
            ),
        )
    ))  # fmt: skip


@pytest.fixture(scope='module')
def config(root, openshapes, words, tmp_path_factory):
    """The baseline of the folder, shrunk and on OpenShapes, for two iterations."""
    folder = tmp_path_factory.mktemp('config')
    cfg = Config.fromfile(root / 'configs/ovis/ovis_base-only_r50-fpn_90k_ov-coco.py')
    shrink(cfg)
    bank = make_bank(folder / 'bank.npz', words, model_id='a/clip')
    cfg.model.roi_head.bbox_head.embeddings = bank
    for part in ('train', 'val', 'test'):
        half = 'train' if part == 'train' else 'val'
        loader = cfg[f'{part}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root=str(openshapes), data_prefix=dict(img=f'{half}/'),
            ann_file=f'annotations/instances_{half}.json', **SPLIT,
        )  # fmt: skip
        for step in loader.dataset.pipeline:
            if step.type == 'Resize':
                step.scale = (96, 96)
    annotations = str(openshapes / 'annotations' / 'instances_val.json')
    for part in ('val', 'test'):
        cfg[f'{part}_evaluator'].ann_file = annotations
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.default_hooks.checkpoint.interval = 2
    cfg.default_hooks.logger.interval = 1
    cfg.optim_wrapper.optimizer.lr = 0.001
    return cfg


@pytest.fixture(scope='module')
def trained(config, tmp_path_factory):
    """A runner that has trained; building one takes longer than that."""
    folder = tmp_path_factory.mktemp('trained')
    runner = build_runner(copy.deepcopy(config), 'ovis.py', str(folder), 'none')
    runner.train()
    return runner


@pytest.fixture(scope='module')
def checkpoint(trained):
    return Path(trained.work_dir, 'iter_2.pth')


def build(config):
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(config.model)


def test_case_25_trained_on_base_words_and_validated_on_all(trained, words):
    seen = tuple(trained.train_dataloader.dataset.metainfo['classes'])
    assert trained.model.roi_head.bbox_head.vocabulary == seen
    assert 0 < len(seen) < len(words)
    assert trained.val_dataloader.dataset.metainfo['classes'] == words
    losses, _ = trained.message_hub.get_scalar('train/loss').data
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    assert 'val/coco/segm_novel_AP50' in trained.message_hub.log_scalars


def test_case_25_judged_in_three_settings(config, checkpoint, tmp_path):
    metrics = run_test(copy.deepcopy(config), 'ovis.py', checkpoint, str(tmp_path))
    for shape in ('bbox', 'segm'):
        for key in ('base', 'novel', 'all', 'constrained_base', 'constrained_novel'):
            assert -1 <= metrics[f'coco/{shape}_{key}_AP50'] <= 1


def test_case_18_a_checkpoint_fits_every_vocabulary(config, checkpoint):
    """Strictly, and with one mask channel and four box outputs."""
    state = load_checkpoint(checkpoint)['state_dict']
    assert state['roi_head.mask_head.conv_logits.weight'].shape[0] == 1
    assert state['roi_head.bbox_head.fc_reg.weight'].shape[0] == 4
    assert not any('vectors' in name for name in state)
    model = build(config)
    for number in (5, 65, 1203):
        vectors = torch.randn(number, DIM)
        set_vocabulary(model, [f'word {i}' for i in range(number)], vectors)
        load_model_checkpoint(model, checkpoint)


def test_a_checkpoint_knows_its_text_space(config, checkpoint, words, tmp_path):
    trained = load_checkpoint(checkpoint)['meta']['text_space']
    expected = dict(dim=DIM, model_id='a/clip', normalization='both')
    assert trained == {'roi_head.bbox_head': expected}
    model = build(config)
    check_text_spaces(model, trained, 'a.pth')
    head = model.roi_head.bbox_head
    head._bank = None
    head.embeddings = make_bank(tmp_path / 'b.npz', words, model_id='c')
    with pytest.raises(ValueError, match=r"a\.pth: .*model_id 'a/clip' and now gets"):
        check_text_spaces(model, trained, 'a.pth')


def test_messages_about_banks(config, words, tmp_path):
    head = build(config).roi_head.bbox_head
    with pytest.raises(ValueError, match=r"no vector for 'zebra'.*prepare_text_embedd"):
        head.set_vocabulary([*words, 'zebra'])
    head._bank, head.embeddings = None, str(tmp_path / 'none.npz')
    with pytest.raises(FileNotFoundError, match=r'none\.npz'):
        head.set_vocabulary(words)
    head.embeddings = make_bank(tmp_path / 'wide.npz', words, dim=DIM + 1)
    with pytest.raises(
        ValueError, match=r'wide\.npz.* 17 dimensions, .*embed_dim is 16'
    ):
        head.set_vocabulary(words)


def test_words_of_a_bank_whatever_their_case(config, words):
    head = build(config).roi_head.bbox_head
    head.set_vocabulary([words[1].upper()], background=[words[0]])
    vectors = TextEmbeddingBank.load(head.embeddings).embeddings
    assert torch.equal(
        head.installed.class_vectors,
        torch.nn.functional.normalize(torch.from_numpy(vectors[1:2])),
    )
    assert head.background == words[:1]


def _predict_1203(cfg, queue):
    """Every word of every region is a candidate: nothing is below the threshold."""
    model = build(cfg).eval()
    names = [f'word {i}' for i in range(1203)]
    set_vocabulary(model, names, torch.randn(1203, DIM))
    size = (480, 640)
    sample = DetDataSample(
        metainfo=dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0))
    )
    with torch.no_grad():
        (result,) = model.predict(torch.randn(1, 3, *size), [sample])
    found = result.pred_instances
    assert int(found.labels.max()) < 1203
    assert found.masks.shape == (20, *size)
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # KiB


def test_case_24_1203_words_on_a_cpu_take_less_than_4_gb(config):
    queue = FORK.Queue()
    process = FORK.Process(target=_predict_1203, args=(config, queue))
    process.start()
    process.join(300)
    assert process.exitcode == 0
    assert queue.get(timeout=10) < 4 * 1024**2


# ---------------------------------------------------------------- stages


def _changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize(
    ('name', 'is_frozen'),
    [
        ('ovis_pseudo-only_r50-c4_150k_ov-coco', False),
        ('ovis_pseudo-then-base_r50-c4_150k_ov-coco', True),
    ],
)
def test_case_20_what_either_stage_learns(root, name, is_frozen):
    """The C4 network itself, with 18 layers, in two steps of its optimizer."""
    cfg = Config.fromfile(root / 'configs' / 'ovis' / f'{name}.py')
    small = dict(depth=18, init_cfg=None)
    cfg.model.backbone.update(small)
    cfg.model.rpn_head.update(in_channels=256, feat_channels=32)
    cfg.model.train_cfg.rcnn.sampler.num = 8
    roi_head = cfg.model.roi_head
    roi_head.shared_head.update(small)
    roi_head.bbox_roi_extractor.out_channels = 256
    roi_head.bbox_head.update(in_channels=512, embed_dim=DIM)
    roi_head.mask_head.update(in_channels=512, conv_out_channels=8)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
        model.init_weights()
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    set_vocabulary(model, ['a', 'b', 'c'], torch.randn(3, DIM))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    inputs = torch.randn(1, 3, 64, 64)
    model.train()
    for _ in range(2):
        losses, _ = model.parse_losses(model.loss(inputs, [_sample()]))
        optimizer.update_params(losses)
    changed = _changed(before, model.state_dict())
    for prefix in ('backbone.layer2', 'backbone.layer3', 'rpn_head.', 'roi_head.shared',
                   'roi_head.bbox_head.fc_reg', 'roi_head.mask_head'):  # fmt: skip
        assert any(key.startswith(prefix) for key in changed), prefix
    for prefix in ('backbone.conv1', 'backbone.bn1', 'backbone.layer1'):
        assert not any(key.startswith(prefix) for key in changed), prefix
    projection = {f'roi_head.bbox_head.fc_emb.{kind}' for kind in ('weight', 'bias')}
    assert projection <= before.keys()
    assert changed & projection == (set() if is_frozen else projection)


def _sample():
    masks = np.zeros((1, 64, 64), np.uint8)
    masks[0, 10:50, 10:50] = 1
    shapes = ('img_shape', 'pad_shape', 'batch_input_shape')
    sample = DetDataSample(metainfo=dict.fromkeys(shapes, (64, 64)))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[10.0, 10, 50, 50]]),
        labels=torch.tensor([1]),
        masks=BitmapMasks(masks, 64, 64),
    )
    return sample


SCHEDULES = {
    'schedule_150k': (0.02, 64, {60000: 0.1, 119999: 0.1, 120000: 0.01}),
    'schedule_150k_finetune': (0.0005, 8, {60000: 0.1, 119999: 0.1, 120000: 0.01}),
    'schedule_90k': (0.02, 16, {59999: 1, 60000: 0.1, 80000: 0.01}),
}


@pytest.mark.parametrize('name', SCHEDULES)
def test_case_21_learning_rates(root, name):
    base, batch_size, later = SCHEDULES[name]
    cfg = Config.fromfile(root / 'configs' / '_base_' / 'schedules' / f'{name}.py')
    assert cfg.optim_wrapper.optimizer.lr == base
    assert cfg.auto_scale_lr.base_batch_size == batch_size
    module = torch.nn.Linear(1, 1)
    wrapper = build_optim_wrapper(module, cfg.optim_wrapper)
    schedulers = [
        PARAM_SCHEDULERS.build(scheduler, default_args=dict(optimizer=wrapper))
        for scheduler in cfg.param_scheduler
    ]
    expected = {0: 1 / 3, 250: 2 / 3, 500: 1} | later
    weight, bias = wrapper.optimizer.param_groups
    assert weight['params'] == [module.weight]
    assert (weight['weight_decay'], bias['weight_decay']) == (0.0001, 0)
    for step in range(max(expected) + 1):
        if step in expected:
            assert weight['lr'] == pytest.approx(base * expected[step]), step
            assert bias['lr'] == pytest.approx(2 * weight['lr'])
        for scheduler in schedulers:
            scheduler.step()
