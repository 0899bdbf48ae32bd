"""Mask head with a level of noise for every pixel."""

from __future__ import annotations

import math

import pytest
import torch
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmdet_ovis.models.losses import noisy_mask_loss
from mmdet_ovis.models.roi_heads.mask_heads import NoisyFCNMaskHead

SMALL = dict(num_convs=1, in_channels=6, conv_out_channels=5)
C4 = dict(num_convs=0, in_channels=6, conv_out_channels=5)


def make(**options):
    torch.manual_seed(0)
    head = NoisyFCNMaskHead(**(C4 | options))
    head.init_weights()
    return head


def features(number=3):
    return torch.randn(number, 6, 7, 7, generator=torch.Generator().manual_seed(number))


def targets(number=3):
    return (
        features(number)[:, 0].repeat_interleave(2, 1).repeat_interleave(2, 2) > 0
    ) * 1


def test_cmpl_case_9_the_noise_starts_at_a_log_variance_of_1():
    head = make()
    sigma = head.forward_noisy(features()).sigma
    assert sigma.shape == (3, 14, 14)
    assert sigma.dtype == torch.float32
    assert sigma.flatten().tolist() == pytest.approx([1.648721] * 588, rel=0.01)
    assert 0 < head.conv_noise.weight.abs().max() < 0.01
    with torch.no_grad():
        head.conv_noise.weight.zero_()
        exact = head.forward_noisy(features()).sigma
        assert exact[0, 0, 0].item() == pytest.approx(1.648721, abs=1e-6)
        head.conv_noise.bias.fill_(-4.60517)
        exact = head.forward_noisy(features()).sigma
        assert exact[0, 0, 0].item() == pytest.approx(0.1, abs=1e-6)


def test_cmpl_case_9_without_positives_losses_and_gradients_are_0():
    head = make(**SMALL)
    losses, sigma = head.noisy_loss(torch.zeros(0, 6, 7, 7), torch.zeros(0, 14, 14))
    assert losses['loss_mask'].item() == 0
    assert sigma.shape == (0, 14, 14)
    losses['loss_mask'].backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad == 0).all(), name


def test_cmpl_case_10_the_noise_teaches_nothing_below_its_convolution():
    head = make(**SMALL)
    x = features().requires_grad_()
    head.forward_noisy(x).sigma.sum().backward()
    learning = {name for name, p in head.named_parameters() if p.grad is not None}
    assert learning == {'conv_noise.weight', 'conv_noise.bias'}
    assert x.grad is None


def test_cmpl_case_10_masks_and_noise_learn_from_the_loss():
    head = make(**SMALL)
    x = features().requires_grad_()
    losses, _ = head.noisy_loss(x, targets())
    losses['loss_mask'].backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    assert x.grad.abs().sum() > 0


def test_the_gradient_of_the_features_is_that_of_the_logits():
    """As if the levels of noise were given."""
    head, noise = make(), torch.randn(8, 3, 14, 14)
    x = features().requires_grad_()
    losses, sigma = head.noisy_loss(x, targets(), noise)
    (found,) = torch.autograd.grad(losses['loss_mask'], x)
    logits = head(x)[:, 0]
    loss = noisy_mask_loss(logits, sigma.detach(), targets(), noise=noise)
    (expected,) = torch.autograd.grad(loss, x)
    torch.testing.assert_close(found, expected)


def test_everything_else_is_that_of_mmdet():
    head = make(**SMALL)
    plain = FCNMaskHead(**SMALL, class_agnostic=True)
    missing, unexpected = plain.load_state_dict(head.state_dict(), strict=False)
    assert not missing
    assert unexpected == ['conv_noise.weight', 'conv_noise.bias']
    assert torch.equal(head(features()), plain(features()))
    assert torch.equal(head.forward_noisy(features()).logits, plain(features())[:, 0])
    x = features()
    head.forward_noisy(x)
    assert not head.conv_logits._forward_pre_hooks


def test_predictions_and_losses_of_annotated_masks_have_no_noise():
    head = make()
    x = features()
    assert torch.equal(head(x), head(x))
    head(x).sum().backward()
    assert head.conv_noise.weight.grad is None


def test_cmpl_case_13_a_full_mask_fills_its_box():
    head = make()
    result = InstanceData(
        bboxes=torch.tensor([[10.0, 10, 24, 24]]),
        labels=torch.tensor([5]),
        scores=torch.ones(1),
    )
    meta = dict(ori_shape=(40, 50), img_shape=(40, 50), scale_factor=(1.0, 1.0))
    (found,) = head.predict_by_feat(
        (torch.full((1, 1, 14, 14), 50.0),), [result], [meta],
        ConfigDict(mask_thr_binary=0.5),
    )  # fmt: skip
    assert found.masks.shape == (1, 40, 50)
    assert found.masks.sum() == 196
    assert found.masks[0, 10:24, 10:24].all()


def test_settings_of_the_loss_are_those_of_the_head():
    head = make(mode='mean_bce', num_samples=1, sigma_range=None)
    noise = torch.randn(1, 3, 14, 14)
    losses, sigma = head.noisy_loss(features(), targets(), noise)
    logits = head(features())[:, 0]
    expected = noisy_mask_loss(logits, sigma, targets(), 'mean_bce', noise=noise)
    torch.testing.assert_close(losses['loss_mask'], expected)
    # More than one sample tells the two losses apart.
    noise = torch.randn(4, 3, 14, 14)
    one, other = (
        make(mode=mode).noisy_loss(features(), targets(), noise)[0]['loss_mask'].item()
        for mode in ('mean_bce', 'log_mean_prob')
    )
    assert one > other + 0.01


@pytest.mark.parametrize(
    ('sigma_range', 'expected'), [((1e-3, 5.0), 5.0), (None, math.exp(10))]
)
def test_the_noise_is_bounded(sigma_range, expected):
    head = make(sigma_range=sigma_range)
    torch.nn.init.zeros_(head.conv_noise.weight)
    torch.nn.init.constant_(head.conv_noise.bias, 20)
    sigma = head.forward_noisy(features()).sigma
    assert sigma.max().item() == pytest.approx(expected)


def test_frozen_noise_has_gradients_of_0():
    """Of the other layers they are as before."""
    head, noise = make(), torch.randn(8, 3, 14, 14)
    gradients = []
    for frozen in (False, True):
        head.noise_frozen = frozen
        head.zero_grad()
        loss = head.noisy_loss(features(), targets(), noise)[0]['loss_mask']
        loss.backward()
        gradients.append([loss] + [p.grad.clone() for p in head.parameters()])
    for (name, _), free, frozen in zip(
        [('loss', None), *head.named_parameters()], *gradients, strict=True
    ):
        if name.startswith('conv_noise'):
            assert free.abs().sum() > 0
            assert (frozen == 0).all()
        else:
            assert torch.equal(free, frozen), name


def test_mixed_precision():
    head = make(**SMALL)
    with torch.autocast('cpu', torch.bfloat16):
        losses, sigma = head.noisy_loss(features(), targets())
    assert losses['loss_mask'].dtype == sigma.dtype == torch.float32
    losses['loss_mask'].backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(mode='max'), "mode is one of .*, not 'max'"),
        (dict(num_samples=0), 'num_samples is a positive number'),
        (dict(class_agnostic=False), 'class_agnostic=True'),
        (dict(sigma_range=(5, 0.001)), r'0 <= low < high, not \(5, 0\.001\)'),
        (dict(sigma_range=(-1, 1)), r'sigma_range is .*, not \(-1, 1\)'),
        (dict(sigma_range=(0, 1, 2)), r'sigma_range is .*, not \(0, 1, 2\)'),
        (dict(sigma_range=[0, float('nan')]), r'sigma_range is .*, not \(0, nan\)'),
    ],
)
def test_unknown_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NoisyFCNMaskHead(**(C4 | options))


def test_registered():
    assert MODELS.get('NoisyFCNMaskHead') is NoisyFCNMaskHead
