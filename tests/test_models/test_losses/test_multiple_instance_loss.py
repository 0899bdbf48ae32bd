"""The two streams of WSDDN and their loss, by numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet_ovis.models.losses import multiple_instance_loss, proposal_log_scores

LN2, LN3 = math.log(2), math.log(3)


def test_scores_multiply_a_softmax_over_classes_and_one_over_proposals():
    """Classes 3/4, 1/4 and 1/2, 1/2; proposals 1/3, 2/3 and 1/2, 1/2."""
    classes = torch.tensor([[LN3, 0.0], [0.0, 0.0]])
    proposals = torch.tensor([[0.0, 1.0], [LN2, 1.0]])
    scores = proposal_log_scores(classes, proposals).exp()
    expected = [[3 / 4 / 3, 1 / 4 / 2], [1 / 2 * 2 / 3, 1 / 2 / 2]]
    assert torch.allclose(scores, torch.tensor(expected))


@pytest.mark.parametrize('bg_weight', [1.0, 0.5, 0.0])
def test_loss_is_that_of_the_image(bg_weight):
    """The sums over the proposals are 7/12 (shown) and 3/8 (not shown)."""
    scores = torch.tensor([[3 / 12, 1 / 8], [1 / 3, 1 / 4]])
    loss = multiple_instance_loss(scores.log(), torch.tensor([True, False]), bg_weight)
    expected = (-math.log(7 / 12) - bg_weight * math.log(1 - 3 / 8 + 1e-6)) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_gradients_are_those_of_the_formula():
    """For a class that is shown: minus the share of a proposal in the sum."""
    scores = torch.tensor([[0.2, 0.1], [0.3, 0.2]])
    logs = scores.log().requires_grad_()
    multiple_instance_loss(logs, torch.tensor([True, False])).backward()
    shown = -scores[:, 0] / 0.5 / 2
    absent = scores[:, 1] / (1 - 0.3 + 1e-6) / 2
    assert torch.allclose(logs.grad, torch.stack([shown, absent], 1), atol=1e-6)


def test_order_of_proposals_does_not_matter():
    torch.manual_seed(0)
    streams, present = torch.randn(2, 7, 5), torch.tensor([1, 0, 0, 1, 0]).bool()
    order = torch.randperm(7)
    one, other = (
        multiple_instance_loss(proposal_log_scores(*x), present)
        for x in (streams, streams[:, order])
    )
    assert torch.allclose(one, other)


@pytest.mark.parametrize('size', [1.0, 50.0, 1e4])
@pytest.mark.parametrize('shown', [True, False])
def test_certainty_gives_neither_nan_nor_an_end_of_learning(size, shown):
    """One proposal, sure of its class: its probability is 1 but for rounding."""
    streams = torch.tensor([[size, 0.0]]).requires_grad_()
    log_scores = proposal_log_scores(streams, torch.zeros(1, 2))
    loss = multiple_instance_loss(log_scores, torch.tensor([shown, not shown]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(streams.grad).all()
    assert loss >= -1e-6


def test_a_sum_above_one_still_falls():
    """Rounding may lift the sum of many scores above 1."""
    logs = torch.full((4, 1), math.log(0.25) + 1e-6).requires_grad_()
    loss = multiple_instance_loss(logs, torch.tensor([False]))
    loss.backward()
    assert loss.item() == pytest.approx(-math.log(1e-6), rel=1e-3)
    assert (logs.grad > 0).all()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_mixed_precision_is_left(dtype):
    streams = 30 * torch.randn(2, 600, 9, generator=torch.Generator().manual_seed(0))
    streams = streams.to(dtype)
    present = torch.arange(9) < 2
    expected = multiple_instance_loss(proposal_log_scores(*streams.float()), present)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = multiple_instance_loss(proposal_log_scores(*streams), present)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)
