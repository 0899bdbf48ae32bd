"""Words and regions that attend to each other, by numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet_ovis.models.losses import (
    grounding_distances,
    grounding_losses,
    grounding_scores,
)

LOSSES = [
    f'loss_{who}_to_{what}'
    for who in ('words', 'regions')
    for what in ('image', 'caption')
]


def ones(*shape):
    return torch.ones(shape, dtype=torch.bool)


def test_cmpl_case_18_four_cross_entropies():
    regions = torch.tensor([[[10.0, 0.0]], [[0.0, 10.0]]])
    words = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    losses = grounding_losses(words, ones(2, 1), regions, ones(2, 1))
    assert [losses[name].item() for name in LOSSES] == pytest.approx(
        [0.313262] * 4, abs=1e-6
    )
    total = sum(losses[name] for name in LOSSES)
    assert total.item() == pytest.approx(1.253047, abs=1e-6)
    assert losses['acc_image'] == 100


def test_cmpl_case_18_attention_of_one_word_to_two_regions():
    scores = torch.tensor([[[[1.0, 3.0]]]], requires_grad=True)
    words, regions = grounding_distances(scores, ones(1, 1), ones(1, 2))
    assert words.item() == pytest.approx(-2.7616, abs=5e-5)
    assert regions.item() == -2  # both regions have but one word to attend to
    # D = -sum(a s) and a = softmax(s), so dD/ds = -a (1 + s + D).
    (slope,) = torch.autograd.grad(words.sum(), scores)
    attention = (-slope / (1 + scores + words)).flatten().tolist()
    assert attention == pytest.approx([0.1192, 0.8808], abs=5e-5)
    assert attention[1] / attention[0] == pytest.approx(math.exp(2), rel=1e-4)


def test_scores_are_of_all_pairs():
    words = torch.arange(12.0).view(2, 3, 2)
    regions = torch.arange(16.0).view(2, 4, 2)
    scores = grounding_scores(words, regions, temperature=2.0)
    assert scores.shape == (2, 2, 3, 4)
    expected = words[1, 2] @ regions[0, 3] / 2
    assert scores[1, 0, 2, 3] == expected


def random_batch(size=3, num_words=4, num_regions=5):
    torch.manual_seed(0)
    return (
        torch.randn(size, num_words, 8),
        ones(size, num_words),
        torch.randn(size, num_regions, 8),
        ones(size, num_regions),
    )


def test_padding_changes_nothing():
    words, word_mask, regions, region_mask = random_batch()
    expected = grounding_losses(words, word_mask, regions, region_mask)
    padded = grounding_losses(
        torch.cat([words, torch.full((3, 2, 8), 50.0)], dim=1),
        torch.cat([word_mask, ~ones(3, 2)], dim=1),
        torch.cat([regions, torch.full((3, 6, 8), 50.0)], dim=1),
        torch.cat([region_mask, ~ones(3, 6)], dim=1),
    )
    for name, value in expected.items():
        torch.testing.assert_close(padded[name], value)


@pytest.mark.parametrize('which', ['word', 'region'])
def test_pairs_without_words_or_regions_are_left_out(which):
    words, word_mask, regions, region_mask = random_batch()
    regions.requires_grad_(True)
    (word_mask if which == 'word' else region_mask)[1] = False
    losses = grounding_losses(words, word_mask, regions, region_mask)
    others = [0, 2]
    expected = grounding_losses(
        words[others], word_mask[others], regions[others], region_mask[others]
    )
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)
    sum(losses[name] for name in LOSSES).backward()
    assert torch.isfinite(regions.grad).all()
    assert (regions.grad[1] == 0).all()
    assert (regions.grad[0] != 0).any()


@pytest.mark.parametrize('size', [1, 3])
def test_nothing_to_compare_with_is_no_loss(size):
    """A batch of one, and a batch of which no caption has a word."""
    words, word_mask, regions, region_mask = random_batch(size)
    regions.requires_grad_(True)
    if size > 1:
        word_mask[:] = False
    losses = grounding_losses(words, word_mask, regions, region_mask)
    assert [losses[name].item() for name in LOSSES] == [0] * 4
    assert torch.isfinite(losses['acc_image'])
    sum(losses[name] for name in LOSSES).backward()
    assert (regions.grad == 0).all()


def test_distances_to_nothing_are_finite():
    scores = torch.randn(2, 2, 3, 4)
    word_mask, region_mask = ones(2, 3), ones(2, 4)
    word_mask[0], region_mask[1] = False, False
    for distances in grounding_distances(scores, word_mask, region_mask):
        assert torch.isfinite(distances).all()
        assert (distances[0] == 0).all()
        assert (distances[:, 1] == 0).all()
        assert distances[1, 0] != 0
