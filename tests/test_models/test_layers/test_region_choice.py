"""Which region each word of a caption means."""

from __future__ import annotations

import itertools

import pytest
import torch

from mmdet_ovis.models.layers import choose_regions, word_similarities
from mmdet_ovis.models.layers.region_choice import CHOICES

REGIONS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
WORDS = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
# Two places of the same object, and one far off.
BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]])


def test_cmpl_case_5_similarities_and_the_best_region():
    found = word_similarities(REGIONS, WORDS)
    torch.testing.assert_close(found, torch.tensor([[1.2, 0.8, 1.0], [2.0, 0.0, 0.6]]))
    assert choose_regions(found, choice='argmax').tolist() == [0, 0]  # a conflict


def test_cmpl_case_5_directions_of_regions():
    found = word_similarities(REGIONS, WORDS, normalize_visual=True)
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8, 1.0], [1.0, 0.0, 0.6]]))
    assert choose_regions(found, choice='argmax').tolist() == [2, 0]


@pytest.mark.parametrize('choice', ['greedy', 'hungarian'])
def test_cmpl_case_5_one_region_a_word(choice):
    scores = word_similarities(REGIONS, WORDS)
    assert choose_regions(scores, choice=choice).tolist() == [2, 0]


def test_similarities_are_single():
    found = word_similarities(REGIONS.bfloat16(), WORDS.bfloat16())
    assert found.dtype == torch.float32
    nearly = torch.tensor([[1.0, 0.0], [1.0001, 0.0]])
    with torch.autocast('cpu', torch.bfloat16):
        found = word_similarities(nearly, WORDS)
    assert found.dtype == torch.float32
    assert choose_regions(found, choice='argmax').tolist() == [1, 1]


def test_the_best_pair_goes_first_and_the_best_sum_may_differ():
    scores = torch.tensor([[1.0, 0.9], [0.9, 0.0]])
    assert choose_regions(scores, choice='greedy').tolist() == [0, 1]
    assert choose_regions(scores, choice='hungarian').tolist() == [1, 0]


def test_hungarian_finds_the_greatest_sum():
    torch.manual_seed(0)
    for _ in range(20):
        scores = torch.randn(3, 5)
        regions = choose_regions(scores, choice='hungarian').tolist()
        best = max(
            itertools.permutations(range(5), 3),
            key=lambda way: sum(scores[word, i].item() for word, i in enumerate(way)),
        )
        assert tuple(regions) == best


def test_a_region_that_overlaps_a_taken_one_is_taken():
    scores = torch.tensor([[1.0, 0.9, 0.2], [0.8, 0.7, 0.1]])
    assert choose_regions(scores, BOXES, 'greedy').tolist() == [0, 2]
    assert choose_regions(scores, BOXES, 'greedy', max_overlap=0.95).tolist() == [0, 1]
    assert choose_regions(scores, BOXES, 'hungarian').tolist() == [0, 1]
    assert choose_regions(scores, BOXES, 'argmax').tolist() == [0, 0]


@pytest.mark.parametrize('choice', CHOICES)
def test_regions_that_are_not_allowed(choice):
    scores = word_similarities(REGIONS, WORDS)
    allowed = torch.tensor([False, True, True])
    found = choose_regions(scores, None, choice, allowed=allowed)
    expected = [2, 2] if choice == 'argmax' else [2, 1]
    if choice == 'hungarian':
        expected = [1, 2]  # .8 + .6 is more than 1 + 0
    assert found.tolist() == expected
    assert choose_regions(
        scores, None, choice, allowed=torch.zeros(3).bool()
    ).tolist() == [-1, -1]


@pytest.mark.parametrize('choice', CHOICES)
def test_pairs_below_the_least_similarity_are_not_made(choice):
    scores = torch.tensor([[0.9, 0.8], [0.3, 0.2]])
    found = choose_regions(scores, None, choice, min_similarity=0.5)
    assert found.tolist() == [0, -1]
    at_the_bound = choose_regions(
        torch.tensor([[0.5]]), None, choice, min_similarity=0.5
    )
    assert at_the_bound.tolist() == [0]


@pytest.mark.parametrize('choice', ['greedy', 'hungarian'])
def test_more_words_than_regions(choice):
    scores = torch.tensor([[0.1], [0.7], [0.2]])
    assert choose_regions(scores, None, choice).tolist() == [-1, 0, -1]


def test_as_many_words_as_possible_find_a_region():
    """The first pair alone would be worth more than both pairs."""
    scores = torch.tensor([[5.0, -4.0], [-3.0, -9.0]])
    found = choose_regions(scores, None, 'hungarian', min_similarity=-5)
    assert found.tolist() == [1, 0]


@pytest.mark.parametrize('choice', CHOICES)
@pytest.mark.parametrize('shape', [(0, 3), (2, 0), (0, 0)])
def test_nothing_to_choose(choice, shape):
    found = choose_regions(torch.zeros(shape), torch.zeros(shape[1], 4), choice)
    assert found.tolist() == [-1] * shape[0]
    assert found.dtype == torch.long


def test_similarities_stay_as_they_are():
    scores = torch.rand(2, 3, requires_grad=True)
    before = scores.detach().clone()
    choose_regions(scores, BOXES, 'greedy', min_similarity=0.5)
    assert torch.equal(scores, before)


def test_an_unknown_choice_is_refused():
    with pytest.raises(ValueError, match=r"choice is one of argmax, .*, not 'best'"):
        choose_regions(torch.zeros(1, 1), choice='best')


@pytest.mark.parametrize('choice', CHOICES)
def test_a_bonus_counts_whatever_the_word(choice):
    scores = torch.tensor([[0.5, 0.45, -0.9], [0.1, 0.0, -0.8]])
    bonus = torch.tensor([0.0, 0.1, 5.0])
    assert choose_regions(scores[:1], choice=choice).tolist() == [0]
    chosen = choose_regions(scores[:1], choice=choice, min_similarity=0.3, bonus=bonus)
    assert chosen.tolist() == [1]  # pairs below the minimum are not made
