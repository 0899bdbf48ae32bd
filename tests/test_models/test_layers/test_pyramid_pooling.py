"""Pyramid pooling: the global branch must learn from single images."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from mmdet_ovis.models.layers import ConvBlock, PyramidPooling, resize


def global_branch(module: PyramidPooling, x: torch.Tensor) -> tuple:
    """Return output and convolution gradient of the branch of pool scale 1."""
    module.zero_grad()
    out = module.forward_branch(0, x)
    direction = torch.linspace(-1, 1, out.numel()).view_as(out)
    (out * direction).sum().backward()
    return out.detach(), module.branches[0].conv.weight.grad.abs().max()


@pytest.mark.parametrize('norm_type', ['BN', 'SyncBN', 'GN', None])
def test_case_a9_global_branch_is_alive_at_batch_one(norm_type):
    torch.manual_seed(0)
    norm_cfg = norm_type and dict(type=norm_type)
    if norm_type == 'GN':
        norm_cfg.update(num_groups=8)
    module = PyramidPooling(64, 32, 16, norm_cfg=norm_cfg).train()
    first, gradient = global_branch(module, torch.randn(1, 64, 4, 6).relu())
    second, _ = global_branch(module, torch.randn(1, 64, 4, 6).relu())
    assert (first - second).abs().max() > 1e-2
    assert gradient > 1e-3


def test_batch_norm_in_the_global_branch_would_be_dead():
    """What the default avoids; it stays available for checkpoints trained so."""
    torch.manual_seed(0)
    module = PyramidPooling(64, 32, 16, global_norm_cfg=dict(type='BN')).train()
    out, gradient = global_branch(module, torch.randn(1, 64, 4, 6).relu())
    assert out.abs().max() < 1e-3
    assert gradient < 1e-3


def test_global_branch_does_the_same_in_training_and_evaluation():
    module = PyramidPooling(16, 8, 4)
    x = torch.randn(1, 16, 4, 4)
    trained = module.train().forward_branch(0, x)
    torch.testing.assert_close(module.eval().forward_branch(0, x), trained)


def test_projecting_before_the_resize_changes_nothing():
    torch.manual_seed(0)
    module = PyramidPooling(12, 8, 4).double().train()
    x = torch.randn(2, 12, 7, 9, dtype=torch.double)
    for index, scale in enumerate(module.pool_scales):
        pooled = functional.adaptive_avg_pool2d(x, scale)
        expected = module.branches[index](resize(pooled, (7, 9)))
        torch.testing.assert_close(module.forward_branch(index, x), expected)


def test_output_shape_and_parameters():
    module = PyramidPooling(10, 6, 4, pool_scales=(1, 2))
    assert module(torch.randn(2, 10, 3, 5)).shape == (2, 4, 3, 5)
    # two projections with norm, one 3x3 fusion with norm
    expected = 2 * (10 * 6 + 12) + (10 + 12) * 4 * 9 + 8
    assert sum(p.numel() for p in module.parameters()) == expected


def test_conv_block_starts_like_a_plain_convolution():
    block = ConvBlock(32, 4, 3, norm_cfg=dict(type='BN'))
    nn.init.constant_(block.norm.weight, 7)
    block.init_weights()
    bound = 1 / (32 * 9) ** 0.5
    assert 0.8 * bound < block.conv.weight.abs().max() <= bound
    assert block.norm.weight.eq(1).all()
    assert block.norm.bias.eq(0).all()
