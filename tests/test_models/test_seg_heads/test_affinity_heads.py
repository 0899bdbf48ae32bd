"""Affinity heads: parameters, shapes, targets on real samples and the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from torch import Tensor
from torch.nn import functional

from mmdet_ovis.models.losses import affinity_loss
from mmdet_ovis.models.seg_heads import (
    BaseAffinityHead,
    SimpleAffinityHead,
    UPerAffinityHead,
)

SMALL = dict(in_channels=(4, 8, 12, 16), ppm_channels=8, channels=8)


class PixelHead(BaseAffinityHead):
    """A head without receptive field: its logits are the first feature channels."""

    def forward(self, feats):
        return feats[0][:, : self.num_affinity]


def features(channels, height: int, width: int, batch: int = 1) -> list[Tensor]:
    """Return random features at strides 4, 8, 16 and 32 of an image."""
    torch.manual_seed(0)
    return [
        torch.randn(batch, depth, -(-height // stride), -(-width // stride)).relu()
        for depth, stride in zip(channels, (4, 8, 16, 32), strict=False)
    ]


def parameter_count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# ------------------------------------------------------------------ acceptance cases


@pytest.mark.parametrize(('num_affinity', 'count'), [(1, 18227457), (8, 18229256)])
def test_case_a9_uper_head_size_and_shapes(num_affinity, count):
    head = UPerAffinityHead(num_affinity=num_affinity).train()
    assert parameter_count(head) == count
    feats = features(head.in_channels, 64, 96)
    logits = head(feats)
    assert logits.shape == (1, num_affinity, 16, 24)
    upsampled = functional.interpolate(logits, size=(64, 96), mode='bilinear')
    assert upsampled.shape == (1, num_affinity, 64, 96)


def test_case_a9_global_branch_of_the_default_head_is_alive():
    """One image in training: the image must reach the branch, and a gradient too."""
    torch.manual_seed(0)
    pooling = UPerAffinityHead().train().pyramid_pooling
    assert pooling.pool_scales[0] == 1
    first = pooling.forward_branch(0, torch.randn(1, 2048, 2, 3).relu())
    second = pooling.forward_branch(0, torch.randn(1, 2048, 2, 3).relu())
    assert (first - second).abs().max() > 1e-2
    first.square().sum().backward()
    assert pooling.branches[0].conv.weight.grad.abs().max() > 1e-3


@pytest.mark.parametrize('padding', [0.0, 5.0])
def test_case_a10_padding_never_enters_the_loss(make_sample, padding):
    torch.manual_seed(0)
    sizes = [(40, 60), (50, 40)]
    head = PixelHead(num_affinity=1)
    images = [torch.randn(1, *size) for size in sizes]
    samples = [make_sample(size) for size in sizes]
    batch = torch.full((2, 1, 50, 60), padding)
    alone = []
    for index, (image, sample, (height, width)) in enumerate(
        zip(images, samples, sizes, strict=True)
    ):
        batch[index, :, :height, :width] = image
        targets = head.image_targets(sample, image.device, (height, width))
        alone.append(affinity_loss(image, targets.target, targets.valid))
        single = head.loss([image[None]], [sample], (height, width))
        assert single['loss_pa'].item() == pytest.approx(alone[-1].item())
    loss = head.loss([batch], samples, (50, 60))['loss_pa']
    assert loss.item() == pytest.approx((alone[0] + alone[1]).item() / 2)
    assert alone[0].item() != pytest.approx(alone[1].item())


# ------------------------------------------------------------------ construction


def test_simple_head_size_and_shape():
    head = SimpleAffinityHead()
    assert parameter_count(head) == 9442312
    assert head(features((1, 1, 1, 2048), 64, 96)).shape == (1, 8, 2, 3)


@pytest.mark.parametrize(
    ('cfg', 'channels'),
    [
        (dict(type='UPerAffinityHead', **SMALL), SMALL['in_channels']),
        (dict(type='SimpleAffinityHead', in_channels=16), SMALL['in_channels']),
    ],
)
@pytest.mark.parametrize('num_affinity', [1, 4, 8])
def test_heads_build_from_config_and_use_all_parameters(
    make_sample, cfg, channels, num_affinity
):
    """Parameters without gradient would stop distributed training."""
    head = MODELS.build(cfg | dict(num_affinity=num_affinity)).train()
    head.init_weights()
    sample = make_sample((40, 56))
    feats = features(channels, 40, 56, batch=2)
    loss = head.loss(feats, [sample, sample], (40, 56))['loss_pa']
    loss.backward()
    assert all(p.grad is not None for p in head.parameters())
    assert all(p.grad.isfinite().all() for p in head.parameters())
    probabilities = head.predict(feats, [sample, sample], (40, 56))
    assert [p.shape for p in probabilities] == [(num_affinity, 40, 56)] * 2
    assert all((p >= 0).all() and (p <= 1).all() for p in probabilities)


@pytest.mark.parametrize(
    'norm_cfg', [dict(type='GN', num_groups=4), dict(type='SyncBN'), None]
)
def test_norm_is_configurable(norm_cfg):
    head = UPerAffinityHead(**SMALL, norm_cfg=norm_cfg).train()
    names = {type(module).__name__ for module in head.modules()}
    assert 'BatchNorm2d' not in names
    assert ('SyncBatchNorm' in names) == (norm_cfg == dict(type='SyncBN'))
    assert head(features(SMALL['in_channels'], 64, 64)).shape == (1, 8, 16, 16)


def test_init_weights_keeps_the_initialisation_of_pytorch():
    head = UPerAffinityHead(**SMALL)
    head.init_weights()
    weight = head.fusion.conv.weight
    bound = weight[0].numel() ** -0.5
    assert 0.8 * bound < weight.abs().max() <= bound


def test_contradicting_options_are_refused():
    loss = dict(type='AffinityLoss', filter_bg=False)
    with pytest.raises(ValueError, match='filter_bg=False counts every position'):
        PixelHead(overlap='ignore', loss_affinity=loss)
    with pytest.raises(ValueError, match='filter_bg=False counts every position'):
        PixelHead(weight_type='inverse', loss_affinity=loss)
    with pytest.raises(ValueError, match='num_affinity is one of 1, 4, 8, not 2'):
        PixelHead(num_affinity=2)
    with pytest.raises(ValueError, match=r"reduction is .*, not 'median'"):
        PixelHead(num_affinity=1, reduction='median')
    with pytest.raises(ValueError, match='at least two levels'):
        UPerAffinityHead(in_channels=(2048,))


def test_features_of_another_backbone_are_refused():
    head = UPerAffinityHead(**SMALL)
    with pytest.raises(ValueError, match="set the head's in_channels"):
        head(features((4, 8, 12, 20), 64, 64))
    with pytest.raises(ValueError, match="set the head's in_channels"):
        head(features((4, 8, 12), 64, 64))


# ------------------------------------------------------------------ targets


def test_options_reach_the_targets(make_sample):
    sample = make_sample((16, 16), boxes=[(0, 0, 16, 16), (4, 4, 8, 8)])
    cpu = torch.device('cpu')
    legacy = PixelHead(num_affinity=1).image_targets(sample, cpu, (16, 16))
    assert legacy.target[0, 0, 0] == 3 / 8
    assert legacy.palette.unique().tolist() == [1, 2]
    other = PixelHead(
        num_affinity=1, reduction='min', border='valid', overlap='ignore'
    ).image_targets(sample, cpu, (16, 16))
    assert other.target[0, 0, 0] == 1
    assert other.palette.unique().tolist() == [-1, 1]
    four = PixelHead(num_affinity=4).image_targets(sample, cpu, (16, 16))
    assert four.target.shape == four.valid.shape == (4, 16, 16)


def test_weight_type_reaches_the_loss(make_sample):
    boxes = [(2, 2, 30, 30), (32, 32, 36, 36)]  # a large and a small instance
    sample = make_sample((40, 40), boxes=boxes)
    logits = torch.zeros(1, 1, 40, 40)
    logits[..., 31:37, 31:37] = 4.0  # wrong along the boundary of the small one
    values = [
        PixelHead(num_affinity=1, weight_type=kind).loss([logits], [sample], (40, 40))[
            'loss_pa'
        ]
        for kind in ('uniform', 'inverse_sqrt', 'inverse')
    ]
    assert values[0] < values[1] < values[2]


@pytest.mark.parametrize('kind', ['polygon', 'tensor', 'padded'])
def test_masks_of_any_kind_give_the_same_targets(make_sample, kind):
    sample = make_sample((30, 40), boxes=[(4, 4, 20, 24)])
    head, cpu = PixelHead(num_affinity=1), torch.device('cpu')
    expected = head.image_targets(sample, cpu, (32, 48))
    instances = sample.gt_instances
    if kind == 'polygon':
        polygon = np.array([4, 4, 20, 4, 20, 24, 4, 24], dtype=np.float64)
        instances.masks = PolygonMasks([[polygon]], 30, 40)
    elif kind == 'tensor':
        instances.masks = torch.from_numpy(instances.masks.masks).bool()
    else:  # as DetDataPreprocessor(pad_mask=True) leaves them
        instances.masks = instances.masks.pad((32, 48))
    actual = head.image_targets(sample, cpu, (32, 48))
    for one, other in zip(actual, expected, strict=True):
        assert torch.equal(one, other)


def test_samples_without_fitting_masks_are_refused(make_sample):
    head, feats = PixelHead(num_affinity=1), [torch.zeros(1, 1, 30, 40)]
    with pytest.raises(ValueError, match=r'a\.jpg has no gt_instances\.masks'):
        head.loss(feats, [make_sample((30, 40), boxes=None)], (30, 40))
    sample = make_sample((30, 40))
    sample.gt_instances.masks = BitmapMasks(np.zeros((2, 60, 80)), 60, 80)
    with pytest.raises(ValueError, match=r'a\.jpg: masks of size \(60, 80\)'):
        head.loss(feats, [sample], (30, 40))


def test_image_without_instances_gives_zero_loss_and_gradients(make_sample):
    """Case A7 through a head."""
    head = UPerAffinityHead(**SMALL, num_affinity=1).train()
    feats = features(SMALL['in_channels'], 64, 64)
    loss = head.loss(feats, [make_sample((64, 64), boxes=())], (64, 64))['loss_pa']
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad.eq(0).all() for p in head.parameters())
