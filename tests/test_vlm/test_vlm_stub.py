"""The closed-form model that other tests rely on does what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import find_phrase
from vlm_stub import ColorMatcher

CAPTION = 'a red square and a green one on blue ground'


def draw(top, left, color=(0, 0, 255), side=32):
    """A square on a grey BGR image of 128 x 192 pixels."""
    image = np.full((128, 192, 3), 120, np.uint8)
    image[top : top + side, left : left + side] = color
    return image


def test_evidence_is_where_the_colour_is():
    model = ColorMatcher(image_size=64, grid=16)
    state = model.encode(model.preprocess([draw(32, 96)]))
    found = model.phrase_maps(state, [CAPTION], [[find_phrase(CAPTION, 'red square')]])
    maps = found.maps[0][0]
    assert maps.shape == (16, 16)
    rows, columns = np.nonzero(maps.numpy() > 0.5 * maps.max().item())
    # 32..64 of 128 rows, 96..128 of 192 columns
    assert (rows.min(), rows.max()) == (4, 7)
    assert (columns.min(), columns.max()) == (8, 10)
    assert maps.max() > 0.6
    assert maps[12:, :4].max() == 0


def test_names_count_before_texts_and_other_words_give_zeros():
    model = ColorMatcher()
    state = model.encode(model.preprocess([draw(32, 96)]))
    phrases = [find_phrase(CAPTION, text) for text in ('red', 'green', 'square')]
    found = model.phrase_maps(state, [CAPTION], [phrases]).maps[0]
    assert found[0].max() > 0.6
    assert found[1].max() == found[2].max() == 0


def test_match_is_the_mean_over_the_colours_of_the_caption():
    model = ColorMatcher()
    state = model.encode(model.preprocess([draw(32, 96)] * 3))
    captions = ['red', 'red and blue', 'a square']
    p = model.phrase_maps(state, captions, [[], [], []]).p_match
    assert p[1] == pytest.approx(p[0].item() / 2)
    assert p[2] == 0
    torch.testing.assert_close(model.match(state, captions).sigmoid(), p)
    maps = model.phrase_maps(state, ['red'] * 3, [[find_phrase('red', 'red')]] * 3).maps
    assert maps[0].max() == p[0]


def test_results_are_those_of_each_image_alone():
    model = ColorMatcher()
    images = [draw(0, 0), draw(64, 64, (0, 255, 0))]
    phrases = [[find_phrase(CAPTION, 'red')], [find_phrase(CAPTION, 'green')]]
    together = model.phrase_maps(
        model.encode(model.preprocess(images)), [CAPTION] * 2, phrases
    )
    for i in range(2):
        state = model.encode(model.preprocess(images[i : i + 1]))
        alone = model.phrase_maps(state, [CAPTION], phrases[i : i + 1])
        assert torch.equal(alone.maps[0], together.maps[i])
        assert torch.equal(alone.p_match[0], together.p_match[i])
