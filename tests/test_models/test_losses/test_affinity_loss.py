"""Affinity losses against analytic values."""

from __future__ import annotations

import math

import pytest
import torch
from mmdet.registry import MODELS
from torch import Tensor

from mmdet_ovis.models.layers import affinity_targets
from mmdet_ovis.models.losses import (
    AffinityLoss,
    SoftFocalAffinityLoss,
    affinity_loss,
)


def square_targets(reduction: str | None) -> tuple[Tensor, Tensor]:
    palette = torch.zeros(4, 4, dtype=torch.int32)
    palette[1:3, 1:3] = 1
    return affinity_targets(palette, reduction)


def optimal_score(loss: torch.nn.Module, target: float) -> float:
    """Find the minimum over one logit by bisection of the gradient's sign."""
    low, high = -10.0, 10.0
    ones = torch.ones(1, 1, 1)
    for _ in range(40):
        logit = torch.full((1, 1, 1), (low + high) / 2, requires_grad=True)
        loss([logit], [target * ones], [ones]).backward()
        low, high = (low, logit.item()) if logit.grad > 0 else (logit.item(), high)
    return logit.sigmoid().item()


@pytest.mark.parametrize(
    ('reduction', 'expected'),
    [
        ('mean', math.log(2) * (12 * 0.64375 + 4 * 0.7625) / (16 + 1e-5)),
        (None, math.log(2) * (12 * 0.05 + 40) / (52 + 1e-5)),
    ],
)
def test_case_a6_zero_logits_on_a_square(reduction, expected):
    target, valid = square_targets(reduction)
    value = AffinityLoss()([torch.zeros_like(target)], [target], [valid])
    assert value.item() == pytest.approx(expected, abs=1e-6)
    rounded = {'mean': 0.466791, None: 0.541188}[reduction]
    assert value.item() == pytest.approx(rounded, abs=1e-6)


@pytest.mark.parametrize('loss', [AffinityLoss(), SoftFocalAffinityLoss()])
def test_case_a7_no_foreground_gives_zero_loss_and_gradient(loss):
    target, valid = affinity_targets(torch.zeros(5, 6, dtype=torch.int32), 'mean')
    logits = torch.randn(1, 5, 6).mul(50).requires_grad_()
    value = loss([logits], [target], [valid])
    value.backward()
    assert value.item() == 0
    assert logits.grad.eq(0).all()


def test_case_a7_without_filter_all_positions_count():
    target, valid = affinity_targets(torch.zeros(5, 6, dtype=torch.int32), 'max')
    logits = torch.zeros(1, 5, 6, requires_grad=True)
    value = AffinityLoss(filter_bg=False)([logits], [target], [valid])
    value.backward()
    assert value.item() == pytest.approx(0.05 * math.log(2))
    assert logits.grad.ne(0).all()


@pytest.mark.parametrize(('target', 'score'), [(7 / 8, 0.259259), (1 / 2, 0.047619)])
def test_case_a11_optimum_of_a_soft_target(target, score):
    assert optimal_score(AffinityLoss(), target) == pytest.approx(score, abs=1e-6)


def test_batch_loss_is_the_mean_over_images_of_any_size():
    torch.manual_seed(0)
    sizes = [(1, 4, 4), (1, 7, 3)]
    logits = [torch.randn(size) for size in sizes]
    targets = [torch.rand(size) for size in sizes]
    weights = [torch.rand(size) for size in sizes]
    images = zip(logits, targets, weights, strict=True)
    single = [affinity_loss(*image) for image in images]
    value = AffinityLoss(loss_weight=3.0)(logits, targets, weights)
    assert value.item() == pytest.approx(3 * (single[0] + single[1]).item() / 2)


def test_weights_are_normalised_by_their_sum():
    logits, target = torch.tensor([[[0.0, 9.0]]]), torch.zeros(1, 1, 2)
    weight = torch.tensor([[[3.0, 0.0]]])
    value = affinity_loss(logits, target, weight)
    assert value.item() == pytest.approx(math.log(2), abs=1e-5)


def test_float32_inside_autocast():
    target, valid = square_targets('mean')
    logits = torch.full_like(target, 3.0, dtype=torch.bfloat16).requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = AffinityLoss()([logits], [target], [valid])
    value.backward()
    assert value.dtype == torch.float32
    plain = AffinityLoss()([logits.detach().float()], [target], [valid])
    assert value.item() == plain.item()
    assert logits.grad.isfinite().all()


def test_extreme_logits_stay_finite():
    target, valid = square_targets('mean')
    for loss in (AffinityLoss(), SoftFocalAffinityLoss()):
        logits = torch.full_like(target, 1e4).requires_grad_()
        value = loss([logits], [target], [valid])
        value.backward()
        assert value.isfinite()
        assert logits.grad.isfinite().all()


def test_focal_loss_with_gamma_zero_is_the_plain_loss():
    torch.manual_seed(0)
    target, valid = square_targets('mean')
    images = ([torch.randn_like(target)], [target], [valid])
    assert torch.equal(SoftFocalAffinityLoss(gamma=0)(*images), AffinityLoss()(*images))


def test_focal_loss_keeps_soft_targets():
    """With balanced terms its optimum is the target itself, not a rounded one."""
    loss = SoftFocalAffinityLoss(gamma=2, pos_weight=1)
    assert optimal_score(loss, 0.3) == pytest.approx(0.3, abs=1e-5)
    assert optimal_score(loss, 0.875) == pytest.approx(0.875, abs=1e-5)


def test_focal_loss_value():
    logits, target = torch.zeros(1, 1, 1), torch.full((1, 1, 1), 0.75)
    value = affinity_loss(logits, target, pos_weight=0.05, gamma=2)
    expected = math.log(2) * (0.05 * 0.75 + 0.25) * 0.25**2
    assert value.item() == pytest.approx(expected)


def test_built_from_config_and_validated():
    loss = MODELS.build(dict(type='AffinityLoss', pos_weight=0.1, filter_bg=False))
    assert (loss.pos_weight, loss.filter_bg) == (0.1, False)
    assert isinstance(
        MODELS.build(dict(type='SoftFocalAffinityLoss')), SoftFocalAffinityLoss
    )
    with pytest.raises(ValueError, match='pos_weight must be above 0, got 0'):
        AffinityLoss(pos_weight=0)
    with pytest.raises(ValueError, match=r'gamma must be 0 or at least 1, got 0\.5'):
        SoftFocalAffinityLoss(gamma=0.5)
