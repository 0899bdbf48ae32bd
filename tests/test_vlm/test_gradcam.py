"""GradCAM as arithmetic on tensors."""

from __future__ import annotations

import pytest
import torch

from mmdet_ovis.vlm.gradcam import attention_gradient, gradcam, sum_tokens


def test_case_2_formula():
    attention = torch.tensor([0.1, 0.2, 0.3, 0.4]).expand(1, 2, 1, 4)
    gradient = torch.tensor([[[[7.0, -1, 2, 0.5]], [[7.0, 4, -3, 1]]]])
    maps = gradcam(attention, gradient, torch.ones(1, 1, dtype=torch.bool), (1, 3))
    assert maps.shape == (1, 1, 1, 3)
    torch.testing.assert_close(maps[0, 0, 0], torch.tensor([0.4, 0.3, 0.3]))


def test_grid_is_row_by_row_and_heads_are_read_from_the_tensor():
    attention = torch.rand(2, 3, 4, 7)
    maps = gradcam(
        attention,
        torch.ones_like(attention),
        torch.ones(2, 4, dtype=torch.bool),
        (2, 3),
    )
    torch.testing.assert_close(maps[1, 2, 1, 0], attention[1, :, 2, 4].mean())


def test_padding_is_exactly_zero_whatever_stands_there():
    attention = torch.rand(1, 2, 3, 5)
    attention[0, :, 2] = torch.nan
    mask = torch.tensor([[True, True, False]])
    maps = gradcam(attention, torch.ones_like(attention), mask, (2, 2))
    assert (maps[0, 2] == 0).all()
    assert (maps[0, :2] > 0).all()


def test_half_precision_is_multiplied_in_single():
    attention = torch.full((1, 1, 1, 2), 1e-4, dtype=torch.float16)
    gradient = torch.full((1, 1, 1, 2), 1e-4, dtype=torch.float16)
    maps = gradcam(attention, gradient, torch.ones(1, 1, dtype=torch.bool), (1, 1))
    assert maps.dtype == torch.float32
    assert maps.item() == pytest.approx(1e-8, rel=1e-2)


def test_negative_gradients_leave_nothing():
    attention = torch.rand(1, 2, 1, 5)
    maps = gradcam(attention, -attention, torch.ones(1, 1, dtype=torch.bool), (2, 2))
    assert (maps == 0).all()


@pytest.mark.parametrize(
    ('shape', 'mask', 'grid', 'message'),
    [
        ((1, 2, 3, 5), (1, 3), (2, 3), 'does not fit a grid of 2 x 3'),
        ((1, 2, 3, 5), (1, 4), (2, 2), r'text mask \(1, 4\)'),
        ((2, 3, 5), (2, 3), (2, 2), 'have to be'),
    ],
)
def test_shapes_have_to_fit(shape, mask, grid, message):
    attention = torch.ones(shape)
    with pytest.raises(ValueError, match=message):
        gradcam(attention, attention, torch.ones(mask), grid)


def test_phrases_share_tokens_without_harm():
    maps = torch.rand(4, 2, 2)
    before = maps.clone()
    found = sum_tokens(maps, [[1, 2], [2], [2, 3]])
    assert torch.equal(maps, before)
    torch.testing.assert_close(found[0], before[1] + before[2])
    torch.testing.assert_close(found[2], before[2] + before[3])
    assert sum_tokens(maps, []).shape == (0, 2, 2)


def test_gradient_of_the_sum_is_that_of_each():
    attention = torch.rand(3, 2, requires_grad=True)
    gradient = attention_gradient((attention**2).sum(dim=1), attention)
    torch.testing.assert_close(gradient, 2 * attention.detach())
