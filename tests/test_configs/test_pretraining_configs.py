"""Caption pretraining is OVR-CNN's, and ends where the detectors begin."""

from __future__ import annotations

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from tiny_text_models import save_model, size

OVR = 'configs/cmpl/ovr_pretrain_r50-c4_40k_coco-captions.py'
MLM = 'configs/cmpl/ovr_pretrain-mlm_r50-c4_40k_coco-captions.py'


@pytest.fixture
def load(root):
    def read(name):
        init_default_scope('mmdet')
        return Config.fromfile(root / name)

    return read


def without_download(model):
    """The network of a config from random weights."""
    model.backbone.init_cfg = None
    for part in (model, model.get('roi_head') or {}):
        if part.get('shared_head'):
            part.shared_head.init_cfg = None
    return MODELS.build(model)


@pytest.fixture(params=[OVR, MLM], ids=['grounding', 'masked language'])
def name(request):
    return request.param


@pytest.fixture
def network(load, name):
    torch.manual_seed(0)
    return without_download(load(name).model)


@pytest.fixture
def bert(tmp_path):
    transformers = pytest.importorskip('transformers')
    config = transformers.BertConfig(**size() | dict(hidden_size=768))
    return str(save_model(tmp_path / 'bert', 'BertModel', config))


def test_one_step_on_word_pieces(network, bert):
    network.tokens.source = bert
    network.init_weights()
    images = [
        torch.randint(0, 256, (3, *s), dtype=torch.uint8) for s in ((64, 96), (96, 80))
    ]
    samples = [
        DetDataSample(metainfo=dict(img_shape=tuple(image.shape[1:]), caption=caption))
        for image, caption in zip(
            images, ('a black dog', 'a cat on grass'), strict=True
        )
    ]
    network.train()
    data = network.data_preprocessor(dict(inputs=images, data_samples=samples), True)
    losses = network(data['inputs'], data['data_samples'], mode='loss')
    total, _ = network.parse_losses(losses)
    assert torch.isfinite(total)
    total.backward()
    for name, value in network.named_parameters():
        assert (value.grad is not None) == value.requires_grad, name
        if value.requires_grad:
            assert torch.isfinite(value.grad).all(), name
    assert not any(m.training for m in network.modules() if 'BatchNorm' in str(type(m)))


def test_only_normalisation_is_frozen(network):
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    norms = ('.bn1.', '.bn2.', '.bn3.', '.downsample.1.')
    assert frozen == {
        name
        for name, _ in network.named_parameters()
        if any(norm in f'.{name}' for norm in norms)
    }


def test_the_encoder_of_masked_words_is_that_of_the_original(load):
    head = without_download(load(MLM).model).masked_language
    layers = head.encoder.layers
    assert len(layers) == 6
    assert layers[0].self_attn.num_heads == 8
    assert layers[0].linear1.out_features == 768
    assert (head.mask_ratio, head.keep_ratio, head.loss_weight) == (0.15, 0.1, 1)
    cfg, plain = load(MLM), load(OVR)
    del cfg.model.masked_language
    for part in ('model', 'train_dataloader', 'optim_wrapper', 'param_scheduler'):
        assert cfg[part] == plain[part]


def test_its_weights_have_a_place_in_the_detector(load, network):
    cfg = load('configs/_base_/models/ov_mask_rcnn_r50_c4.py')
    cfg.model.roi_head.bbox_head.embed_dim = 768
    detector = without_download(cfg.model).state_dict()
    for name, value in network.state_dict().items():
        if not name.startswith('masked_language.'):  # thrown away
            assert detector[name].shape == value.shape, name


def test_schedule_of_the_original(load, name, network):
    cfg = load(name)
    optimizer = build_optim_wrapper(network, cfg.optim_wrapper).optimizer
    bias = network.fc_emb.bias
    for group in optimizer.param_groups:
        (parameter,) = group['params']
        if parameter is bias:
            assert (group['lr'], group['weight_decay']) == (0.02, 0)
        elif parameter.ndim > 1:
            assert (group['lr'], group['weight_decay']) == (0.01, 0.0001)
    assert cfg.train_cfg.max_iters == 40000
    warmup, steps = cfg.param_scheduler
    assert (warmup.start_factor, warmup.end) == (1 / 3, 501)
    assert (steps.milestones, steps.end) == ([20000, 35000], 40000)
    assert cfg.optim_wrapper.clip_grad.max_norm == 5
    assert 8 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size


def test_images_of_the_original(load):
    cfg = load(OVR)
    assert cfg.model.data_preprocessor.mean == [102.9801, 115.9465, 122.7717]
    assert cfg.model.data_preprocessor.std == [1.0, 1.0, 1.0]
    assert not cfg.model.data_preprocessor.bgr_to_rgb
    assert cfg.model.data_preprocessor.pad_size_divisor == 1
    _, resize, flip, choice, pack = cfg.train_dataloader.dataset.pipeline
    assert (resize.scale, resize.keep_ratio) == ((1333, 800), True)
    assert flip.prob == 0.5
    assert choice.type == 'ChooseCaption'
    assert 'caption' in pack.meta_keys


@pytest.mark.parametrize('name', [OVR, MLM, 'configs/openshapes/cmpl_pretrain.py'])
def test_no_annotation_of_an_object_is_read(load, name):
    dataset = load(name).train_dataloader.dataset
    assert dataset.type == 'CaptionDataset'
    assert 'captions' in dataset.ann_file
    assert not [step for step in dataset.pipeline if 'Annotations' in step.type]


def test_the_small_network_is_that_of_the_small_teacher(load):
    pretraining = load('configs/openshapes/cmpl_pretrain.py')
    detector = load('configs/openshapes/cmpl_teacher.py')
    for part in ('backbone', 'neck'):
        assert pretraining.model[part] == detector.model[part]
    roi_head = detector.model.roi_head
    assert pretraining.model.bbox_roi_extractor == roi_head.bbox_roi_extractor
    assert pretraining.model.bbox_head == dict(roi_head.bbox_head, freeze_emb=False)
    assert roi_head.bbox_head.freeze_emb
    assert pretraining.model.tokens.embeddings == roi_head.bbox_head.embeddings
    epochs = pretraining.train_cfg.max_epochs
    assert detector.load_from.endswith(f'pretrain/epoch_{epochs}.pth')
