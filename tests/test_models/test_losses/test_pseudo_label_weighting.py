"""How much losses of pseudo labels count."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet_ovis.models.losses import PseudoLabelWeighting

NAMES = ('loss_cls', 'loss_bbox', 'loss_mask')


def weigh(sigma, **options):
    """Weigh losses of 1 each."""
    losses = {name: torch.tensor(1.0) for name in NAMES}
    found = PseudoLabelWeighting(**options)(losses, sigma)
    return [found[name].item() for name in NAMES]


def noise(level):
    return torch.full((3, 14, 14), level)


@pytest.mark.parametrize(
    ('sigma', 'weight'), [(1.648721, 0.00606531), (0.1, 0.1), (0.5, 0.02)]
)
def test_cmpl_case_9_weight(sigma, weight):
    found = PseudoLabelWeighting().weight(noise(sigma))
    assert found.item() == pytest.approx(weight, rel=1e-5)


def test_cmpl_case_9_the_mean_level_counts():
    sigma = torch.cat([noise(0.1), noise(0.3)])
    assert PseudoLabelWeighting().weight(sigma).item() == pytest.approx(0.05)


@pytest.mark.parametrize('max_weight', [1.0, math.inf])
def test_cmpl_case_9_without_positives_all_is_finite_and_0(max_weight):
    weighting = PseudoLabelWeighting(max_weight=max_weight)
    nothing = torch.zeros(0, 14, 14, requires_grad=True)
    assert weighting.weight(nothing).item() == pytest.approx(0.01)
    found = weighting({name: nothing.sum() for name in NAMES}, nothing)
    assert [loss.item() for loss in found.values()] == [0, 0, 0]
    sum(found.values()).backward()
    assert nothing.grad.shape == (0, 14, 14)


def test_cmpl_case_12_published_weights():
    found = weigh(noise(0.5), max_weight=math.inf)
    assert found == pytest.approx([0.02, 0.02, 1])
    assert sum(found) == pytest.approx(1.04)


def test_cmpl_case_12_constant_weights():
    found = weigh(noise(0.5), mode='constant', value=0.1)
    assert found == pytest.approx([0.1, 0.1, 0.1])


def test_cmpl_case_12_boxes_or_masks_left_out():
    assert sum(weigh(noise(0.5), boxes=False)) == pytest.approx(1.02)
    assert weigh(noise(0.5), boxes=False)[1] == 0
    assert weigh(noise(0.5), masks=False) == pytest.approx([0.02, 0.02, 0])
    constant = dict(mode='constant', value=0.1)
    assert weigh(noise(0.5), boxes=False, masks=False, **constant) == pytest.approx(
        [0.1, 0, 0]
    )


def test_what_is_left_out_still_has_gradients():
    """Of 0: processes that train together wait for them."""
    losses = {name: torch.tensor(2.0, requires_grad=True) for name in NAMES}
    found = PseudoLabelWeighting(boxes=False, masks=False)(losses, noise(0.5))
    sum(found.values()).backward()
    assert [loss.grad.item() for loss in losses.values()] == pytest.approx([0.02, 0, 0])


def test_the_weight_is_bounded():
    certain = noise(1e-6)
    assert PseudoLabelWeighting().weight(certain).item() == 1
    unbounded = PseudoLabelWeighting(max_weight=math.inf)
    assert unbounded.weight(certain).item() == pytest.approx(1e4)
    assert unbounded.weight(noise(0.0)).isfinite()


def test_the_weight_teaches_the_noise_nothing():
    sigma = noise(0.5).requires_grad_()
    assert not PseudoLabelWeighting().weight(sigma).requires_grad


def test_other_entries_stay():
    losses = {name: torch.tensor(1.0) for name in NAMES} | {'acc': torch.tensor(80.0)}
    found = PseudoLabelWeighting()(losses, noise(0.5))
    assert found.keys() == losses.keys()
    assert found['acc'] is losses['acc']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(mode='sigma'), "mode is one of inv_sigma, constant, not 'sigma'"),
        (dict(value=0), 'value and max_weight are positive, not 0 and'),
        (dict(value=math.inf), 'value and max_weight are positive, not inf'),
        (dict(max_weight=-1), 'value and max_weight are positive, not .* and -1'),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PseudoLabelWeighting(**options)
