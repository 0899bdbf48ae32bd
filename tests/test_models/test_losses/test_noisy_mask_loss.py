"""Losses of masks with noise, by numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from mmdet_ovis.models.losses import noisy_mask_loss
from mmdet_ovis.models.losses.noisy_mask_loss import noise_scale

LN2 = math.log(2)
SAMPLES, CHUNK = 1_000_000, 100_000


def pixels(*values):
    """As many masks of one pixel."""
    return torch.tensor(values).view(-1, 1, 1)


def test_cmpl_case_9_scale_of_the_noise():
    found = noise_scale(torch.tensor([1.0, -4.60517]))
    assert found.tolist() == pytest.approx([1.648721, 0.1], abs=1e-6)


def test_scale_within_bounds_and_single():
    found = noise_scale(torch.tensor([-30.0, 0.0, 30.0]).bfloat16(), (1e-3, 5.0))
    assert found.dtype == torch.float32
    assert found.tolist() == pytest.approx([1e-3, 1, 5])


@pytest.mark.parametrize(
    ('epsilon', 'loss', 'slope'),
    [(1.0, 0.313262, -0.134471), (-1.0, 1.313262, 0.365529)],
)
def test_cmpl_case_10_loss_and_slope_of_one_sample(epsilon, loss, slope):
    """With one sample, both losses are the same."""
    for mode in ('mean_bce', 'log_mean_prob'):
        logits = pixels(0.0).requires_grad_()
        log_variance = pixels(0.0).requires_grad_()
        found = noisy_mask_loss(
            logits, noise_scale(log_variance), pixels(1.0), mode, 1,
            torch.full((1, 1, 1, 1), epsilon),
        )  # fmt: skip
        found.backward()
        assert found.item() == pytest.approx(loss, abs=1e-6)
        assert log_variance.grad.item() == pytest.approx(slope, abs=1e-6)
        # sigma = 1: the logit moves what the noise moves, 2 / epsilon times as much.
        assert logits.grad.item() == pytest.approx(2 * slope / epsilon, abs=1e-6)


@pytest.fixture(scope='module')
def noise():
    """Samples in halves that mirror each other, so that their mean is 0."""
    half = torch.randn(
        SAMPLES // 2, 1, 1, 1, generator=torch.Generator().manual_seed(0)
    )
    return torch.cat([half, -half])


def expected_loss(noise, logit, sigma, mode):
    """Loss of the target 1 over all samples, some at a time."""
    losses = [
        noisy_mask_loss(pixels(logit), pixels(sigma), pixels(1.0), mode, noise=part)
        for part in noise.split(CHUNK)
    ]
    if mode == 'mean_bce':
        return torch.stack(losses).mean().item()
    return -torch.stack([-loss for loss in losses]).exp().mean().log().item()


@pytest.mark.parametrize(
    ('mode', 'expected'),
    [
        ('mean_bce', (0.8061, 0.1827, 2.1827)),
        ('log_mean_prob', (0.6931, 0.1690, 1.8614)),
    ],
)
def test_cmpl_case_11_expectation(noise, mode, expected):
    for logit, loss in zip((0.0, 2.0, -2.0), expected, strict=True):
        assert expected_loss(noise, logit, 1.0, mode) == pytest.approx(loss, abs=0.005)


@pytest.mark.parametrize('mode', ['mean_bce', 'log_mean_prob'])
@pytest.mark.parametrize(
    ('logit', 'loss'), [(0.0, 0.6931), (2.0, 0.1269), (-2.0, 2.1269)]
)
def test_cmpl_case_11_without_noise_it_is_cross_entropy(noise, mode, logit, loss):
    few = noise[:1000]
    found = noisy_mask_loss(
        pixels(logit), pixels(1e-6), pixels(1.0), mode, noise=few
    ).item()
    assert found == pytest.approx(loss, abs=1e-4)
    clean = functional.binary_cross_entropy_with_logits(pixels(logit), pixels(1.0))
    assert found == pytest.approx(clean.item(), abs=1e-5)


def test_cmpl_case_11_cross_entropy_grows_with_the_noise(noise):
    """Whether the target is right or wrong: noise is only ever unlearnt."""
    some = noise[::100]
    for logit in (0.0, 2.0, -2.0):
        losses = [
            noisy_mask_loss(
                pixels(logit), pixels(sigma), pixels(1.0), 'mean_bce', noise=some
            ).item()
            for sigma in (1e-6, 0.1, 0.5, 1.0, 2.0, 4.0)
        ]
        assert losses == sorted(losses)
        assert len(set(losses)) == len(losses)


@pytest.mark.parametrize(
    ('mode', 'slopes'),
    [
        ('mean_bce', (0.2066, 0.1158, 0.1158)),
        ('log_mean_prob', (0.0, 0.0762, -0.4137)),
    ],
)
def test_cmpl_case_11_slopes(noise, mode, slopes):
    """Of the mean likelihood: noise is learnt where the target is contradicted."""
    for logit, slope in zip((0.0, 2.0, -2.0), slopes, strict=True):
        sigma = pixels(1.0).requires_grad_()
        noisy_mask_loss(
            pixels(logit), sigma, pixels(1.0), mode, noise=noise[::5]
        ).backward()
        assert sigma.grad.item() == pytest.approx(slope, abs=0.005)


def test_targets_of_0_mirror_those_of_1():
    samples = torch.randn(5, 2, 3, 3)
    logits, sigma = torch.randn(2, 3, 3), torch.rand(2, 3, 3)
    zeros, ones = torch.zeros(2, 3, 3), torch.ones(2, 3, 3)
    for mode in ('mean_bce', 'log_mean_prob'):
        one = noisy_mask_loss(logits, sigma, ones, mode, noise=samples)
        other = noisy_mask_loss(-logits, sigma, zeros, mode, noise=-samples)
        torch.testing.assert_close(one, other)


def test_the_mean_is_taken_over_pixels():
    """A pixel of loss ln 2 and one of loss 0, without noise."""
    logits = torch.tensor([[[0.0, 50.0]]])
    found = noisy_mask_loss(logits, torch.full((1, 1, 2), 1e-6), torch.ones(1, 1, 2))
    assert found.item() == pytest.approx(LN2 / 2, abs=1e-5)


def test_every_call_draws_anew_and_as_many_as_asked(monkeypatch):
    drawn = []
    draw = torch.randn

    def record(*shape, **kwargs):
        drawn.append(shape)
        return draw(*shape, **kwargs)

    monkeypatch.setattr(torch, 'randn', record)
    ones = torch.ones(2, 3, 4)
    first, second = (noisy_mask_loss(ones, ones, ones, num_samples=5) for _ in range(2))
    assert drawn == [(5, 2, 3, 4)] * 2
    assert first != second


@pytest.mark.parametrize('mode', ['mean_bce', 'log_mean_prob'])
def test_without_masks_loss_and_gradients_are_0(mode):
    logits = torch.zeros(0, 14, 14, requires_grad=True)
    sigma = torch.ones(0, 14, 14, requires_grad=True)
    loss = noisy_mask_loss(logits, sigma, torch.zeros(0, 14, 14), mode)
    assert loss.item() == 0
    loss.backward()
    assert logits.grad.shape == sigma.grad.shape == (0, 14, 14)


@pytest.mark.parametrize('mode', ['mean_bce', 'log_mean_prob'])
@pytest.mark.parametrize('logit', [1e4, -1e4])
def test_certainty_gives_no_nan(mode, logit):
    logits, sigma = pixels(logit).requires_grad_(), pixels(5.0).requires_grad_()
    loss = noisy_mask_loss(logits, sigma, pixels(1.0), mode)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
    assert sigma.grad.isfinite().all()


@pytest.mark.parametrize('mode', ['mean_bce', 'log_mean_prob'])
def test_single_precision_inside_autocast(mode):
    logits = torch.randn(2, 3, 3)
    samples, ones = torch.randn(4, 2, 3, 3), torch.ones(2, 3, 3)
    plain = noisy_mask_loss(logits.bfloat16().float(), ones, ones, mode, noise=samples)
    with torch.autocast('cpu', torch.bfloat16):
        mixed = noisy_mask_loss(logits.bfloat16(), ones, ones, mode, noise=samples)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, plain)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(mode='mean_prob'), "mode is one of mean_bce, .*, not 'mean_prob'"),
        (dict(num_samples=0), 'num_samples is a positive number, not 0'),
    ],
)
def test_unknown_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        noisy_mask_loss(pixels(0.0), pixels(1.0), pixels(1.0), **options)
