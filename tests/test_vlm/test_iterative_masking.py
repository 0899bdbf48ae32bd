"""Rounds of painting out: arithmetic, presets, batches."""

from __future__ import annotations

from itertools import chain

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import TASK_UTILS
from tiny_models import find_phrase
from torch.nn import functional
from vlm_stub import ColorMatcher

from mmdet_ovis.vlm.activation_maps import (
    binarize,
    is_flat,
    paint_out,
    resize_map,
    stretch,
)
from mmdet_ovis.vlm.base import ImageState, PhraseMaps, VisionLanguageModel
from mmdet_ovis.vlm.iterative_masking import IterativeMasking

PRESETS = [IterativeMasking(), IterativeMasking.compat()]
CAPTION = 'a red and a blue square'


class ScriptedModel(VisionLanguageModel):
    """32 pixels, 4 x 4 cells; ``find`` makes the map of a phrase, ``p`` the match."""

    def __init__(self, find, p=lambda _: 0.9):
        super().__init__(32)
        self.find, self.p = find, p
        self.seen = []

    def encode(self, pixels):
        self.seen.append(pixels)
        # The spread of the four pixels in the middle of each cell: 0 where painted.
        cells = pixels.unfold(2, 8, 8).unfold(3, 8, 8)[..., 3:5, 3:5]  # B 3 4 4 2 2
        spread = cells.flatten(4).std(dim=-1).sum(dim=1).flatten(1)  # B x 16
        features = torch.cat([spread.mean(dim=1, keepdim=True), spread], dim=1)
        return ImageState(features[..., None], (4, 4))

    def match(self, state, captions):
        return torch.tensor([self.p(s) for s in self._spread(state)]).logit()

    def phrase_maps(self, state, captions, phrases):
        spread = self._spread(state)
        maps = [
            torch.stack([self.find(s, phrase) for phrase in wanted])
            for s, wanted in zip(spread, phrases, strict=True)
        ]
        return PhraseMaps(maps, torch.tensor([self.p(s) for s in spread]))

    @staticmethod
    def _spread(state):
        return state.features[:, 1:, 0].view(-1, 4, 4)


def first_corner_left(spread, phrase):
    """A peak at the first of three corners that is not painted yet."""
    found = torch.zeros(4, 4)
    for corner in ((0, 0), (0, 3), (3, 0)):
        if spread[corner] > 1e-3:
            found[corner] = 2.0
            break
    return found


def noise(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def squares(red=(8, 8), blue=(40, 36), side=16):
    """A grey BGR image, 64 x 64, with a red and a blue square."""
    image = np.full((64, 64, 3), 110, np.uint8)
    for (top, left), color in ((red, (0, 0, 255)), (blue, (255, 0, 0))):
        image[top : top + side, left : left + side] = color
    return image


def find(*texts, caption=CAPTION):
    return [find_phrase(caption, text) for text in texts]


def test_case_5_paint_out():
    pixels = torch.arange(-5.0, 7).view(3, 2, 2)
    painted = paint_out(pixels, torch.tensor([[0.0, 0.2], [0.6, 1.0]]))
    assert (painted[:, 1] == 0.5).all()
    assert torch.equal(painted[:, 0], pixels[:, 0])
    assert pixels[0, 1, 0] == -3


def test_paint_out_keeps_zeros_and_halves_at_a_half():
    pixels = torch.tensor([[0.0, 4.0], [2.0, 2.0]]).expand(3, 2, 2)
    painted = paint_out(pixels, torch.tensor([[1.0, 0.5], [0.4999, 0.5001]]))
    assert painted[0].tolist() == [[0.0, 4.0], [2.0, 2.0]]  # 0.5 * 4 + 2, and the mean


@pytest.mark.parametrize('masking', PRESETS, ids=['default', 'compat'])
def test_case_6_three_rounds(masking):
    model = ScriptedModel(first_corner_left)
    [[found]] = masking(model, [noise()], ['a cat'], [find('cat', caption='a cat')])
    expected = np.zeros((4, 4), np.float32)
    expected[0, 0] = 1
    np.testing.assert_array_equal(found.box_map, expected)
    assert found.box_map.dtype == np.float32
    for rows, columns, inside in (
        (slice(0, 6), slice(0, 6), True),
        (slice(0, 6), slice(26, 32), True),
        (slice(26, 32), slice(0, 6), True),
        (slice(26, 32), slice(26, 32), False),
        (slice(12, 20), slice(12, 20), False),
    ):
        assert (found.prompt[rows, columns] == inside).all()
    assert found.prompt.shape == (32, 32)
    assert found.p_match == pytest.approx((0.9,) * 3)
    assert found.flags == ()


def test_rounds_may_be_fewer():
    model = ScriptedModel(first_corner_left)
    [[found]] = IterativeMasking(rounds=1)(
        model, [noise()], ['a cat'], [find('cat', caption='a cat')]
    )
    assert not found.prompt[:6, 26:].any()
    assert len(model.seen) == len(found.p_match) == 1


@pytest.mark.parametrize('masking', PRESETS, ids=['default', 'compat'])
@pytest.mark.parametrize('value', [0.0, 0.3])
def test_case_7_flat_activation(masking, value):
    model = ScriptedModel(lambda spread, phrase: torch.full((4, 4), value))
    [[found]] = masking(model, [noise()], ['a cat'], [find('cat', caption='a cat')])
    assert found.flags == ('flat_activation',)
    assert (found.box_map == 0).all()
    assert not found.prompt.any()
    assert len(model.seen) == 1  # nothing to hide, so nothing to look for again


def test_case_7_a_flat_phrase_does_not_disturb_the_others():
    def script(spread, phrase):
        flat = torch.full((4, 4), 0.2)
        return first_corner_left(spread, phrase) if phrase.text == 'red' else flat

    wanted = find('red', 'blue')
    for masking in PRESETS:
        model = ScriptedModel(script)
        [[red, blue]] = masking(model, [noise()], [CAPTION], [wanted])
        [[alone]] = masking(ScriptedModel(script), [noise()], [CAPTION], [wanted[:1]])
        np.testing.assert_array_equal(red.prompt, alone.prompt)
        assert (red.flags, blue.flags) == ((), ('flat_activation',))
        assert all(torch.isfinite(pixels).all() for pixels in model.seen)


def test_a_map_that_becomes_flat_ends_the_search_without_a_flag():
    def script(spread, phrase):
        return first_corner_left(spread, phrase) * (spread[0, 0] > 1e-3)

    model = ScriptedModel(script)
    [[found]] = IterativeMasking()(model, [noise()], [CAPTION], [find('red')])
    assert found.flags == ()
    assert len(found.p_match) == len(model.seen) == 2
    assert found.prompt[:6, :6].all()
    assert not found.prompt[:6, 26:].any()


def test_search_stops_when_the_match_is_lost():
    def fading(spread):
        painted = int((spread <= 1e-3).sum())
        return {0: 0.8, 1: 0.5}.get(painted, 0.3)

    def run(stop_ratio):
        model = ScriptedModel(first_corner_left, fading)
        masking = IterativeMasking(stop_ratio=stop_ratio)
        [[found]] = masking(model, [noise()], [CAPTION], [find('red')])
        return found

    stopped, continued = run(0.5), run(0.0)
    for found in (stopped, continued):
        assert found.p_match == pytest.approx((0.8, 0.5, 0.3))
        assert found.prompt[:6, 26:].all()
    assert not stopped.prompt[26:, :6].any()
    assert continued.prompt[26:, :6].all()


def compat_twin(model, image, caption, phrases):
    """The published procedure, step by step on one image."""
    pixels = model.preprocess([image])[0]
    size = tuple(pixels.shape[1:])
    prompts = [np.zeros(size, bool) for _ in phrases]
    boxes = []
    for _ in range(3):
        found = model.phrase_maps(model.encode(pixels[None]), [caption], [phrases])
        total = torch.zeros(size)
        for k, phi in enumerate(found.maps[0]):
            smooth = functional.interpolate(
                phi[None, None], size, mode='bilinear', align_corners=False
            )[0, 0]
            smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
            blurred = cv2.GaussianBlur(np.uint8(255 * smooth.numpy()), (5, 5), 0)
            prompts[k] |= cv2.threshold(blurred, 0, 255, cv2.THRESH_OTSU)[1] > 0
            coarse = phi.repeat_interleave(size[0] // phi.shape[0], 0)
            coarse = coarse.repeat_interleave(size[1] // phi.shape[1], 1)
            coarse = (coarse - coarse.min()) / (coarse.max() - coarse.min())
            total += coarse
            if len(boxes) < len(phrases):
                boxes.append(coarse.numpy())
        total = (total - total.min()) / (total.max() - total.min())
        hide = torch.where(total > 0.5, 1.0, torch.where(total < 0.5, 0.0, total))
        mean = pixels.mean()
        pixels = (1 - hide) * pixels + mean * (hide * pixels != 0)
    return boxes, prompts


def textured(spread, phrase):
    """Maps that change with what is painted, but are never flat."""
    ramp = torch.arange(16.0).view(4, 4)
    return spread + ramp / 40 if phrase.text == 'red' else spread.T * ramp + 0.1


def test_compat_is_the_published_procedure():
    image, wanted = noise(), find('red', 'blue', 'red and')
    model = ScriptedModel(textured)
    boxes, prompts = compat_twin(model, image, CAPTION, wanted)
    expected = torch.cat(model.seen)
    model.seen.clear()
    [found] = IterativeMasking.compat()(model, [image], [CAPTION], [wanted])
    assert torch.equal(torch.cat(model.seen), expected)
    assert not torch.equal(expected[1], expected[2])
    for activation, box, prompt in zip(found, boxes, prompts, strict=True):
        np.testing.assert_array_equal(activation.prompt, prompt)
        np.testing.assert_array_equal(activation.box_map.repeat(8, 0).repeat(8, 1), box)
        assert 0 < prompt.mean() < 1


def test_joint_painting_couples_phrases_and_copies_do_not():
    model, image, wanted = ColorMatcher(), squares(), find('red', 'blue')
    coupled = []
    for masking in (IterativeMasking(stop_ratio=0.0), IterativeMasking.compat()):
        [[red, blue]] = masking(model, [image], [CAPTION], [wanted])
        [[alone]] = masking(model, [image], [CAPTION], [wanted[:1]])
        np.testing.assert_array_equal(red.box_map, alone.box_map)
        coupled.append(red.p_match != alone.p_match)
        assert red.p_match[0] == blue.p_match[0]
    assert coupled == [False, True]


@pytest.mark.parametrize('masking', PRESETS, ids=['default', 'compat'])
def test_results_do_not_depend_on_the_batch(masking):
    model = ColorMatcher()
    images = [squares(), squares((20, 4), (2, 40), 20), squares((30, 30), (0, 0), 12)]
    captions = [CAPTION, 'nothing', CAPTION]
    wanted = [find('red', 'blue'), [], find('blue')]
    expected = [
        masking(model, [image], [caption], [phrases])[0]
        for image, caption, phrases in zip(images, captions, wanted, strict=True)
    ]
    for batch_size in (1, 2, 16):
        settings = {**vars(masking), 'batch_size': batch_size}
        together = IterativeMasking(**settings)(
            model, images[::-1], captions[::-1], wanted[::-1]
        )[::-1]
        assert [len(part) for part in together] == [2, 0, 1]
        for ours, theirs in zip(chain(*together), chain(*expected), strict=True):
            np.testing.assert_array_equal(ours.prompt, theirs.prompt)
            np.testing.assert_array_equal(ours.box_map, theirs.box_map)
            assert ours.p_match == theirs.p_match
            assert ours.phrase == theirs.phrase


def test_first_round_is_once_an_image_then_all_copies_in_batches():
    model = ScriptedModel(first_corner_left)
    captions, wanted = [CAPTION] * 3, [find('red', 'blue'), [], find('blue')]
    images = [noise(i) for i in range(3)]
    IterativeMasking(batch_size=2)(model, images, captions, wanted)
    assert [len(pixels) for pixels in model.seen] == [2, 2, 1, 2, 1]
    model.seen.clear()
    IterativeMasking.compat(batch_size=2)(model, images, captions, wanted)
    assert [len(pixels) for pixels in model.seen] == [2, 2, 2]


def test_without_phrases_the_model_is_not_asked():
    model = ScriptedModel(first_corner_left)
    assert IterativeMasking()(model, [noise()], ['a cat'], [[]]) == [[]]
    assert IterativeMasking()(model, [], [], []) == []
    assert not model.seen


def test_every_input_needs_its_partners():
    with pytest.raises(ValueError, match='1 images, 2 captions and 1 lists of phrases'):
        IterativeMasking()(ColorMatcher(), [noise()], ['a', 'b'], [[]])


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(rounds=0), 'rounds and batch_size'),
        (dict(batch_size=0), 'rounds and batch_size'),
        (dict(paint='both'), "paint is one of .*not 'both'"),
        (dict(upsample='bicubic'), 'upsample is one of'),
        (dict(stop_ratio=1.5), r'stop_ratio has to be in \[0, 1\]'),
        (dict(blur=4), 'blur has to be odd'),
        (dict(blur=-1), 'blur has to be odd'),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        IterativeMasking(**settings)


def test_presets_are_those_of_the_table():
    names = ('rounds', 'paint', 'upsample', 'stop_ratio', 'blur')
    assert [getattr(PRESETS[0], n) for n in names] == [
        *(3, 'per_phrase', 'bilinear', 0.5, 5)
    ]
    assert [getattr(PRESETS[1], n) for n in names] == [3, 'joint', 'nearest', 0.0, 5]
    assert IterativeMasking.compat(batch_size=3).batch_size == 3
    built = TASK_UTILS.build(dict(type='IterativeMasking', **vars(PRESETS[1])))
    assert built == IterativeMasking.compat()


def test_flatness_is_relative():
    flat = torch.full((4, 4), 1e-9)
    assert is_flat(flat)
    assert is_flat(torch.zeros(2, 2))
    flat[0, 0] = 1.1e-9
    assert not is_flat(flat)
    assert is_flat(torch.tensor([[1.0, 1 + 1e-7]]))
    assert is_flat(torch.tensor([[torch.nan, 1.0]]))


def test_binarize_blurs_before_it_cuts():
    peak = np.zeros((9, 9), np.float32)
    peak[4, 4] = 1
    assert binarize(peak, blur=1).sum() == 1
    assert binarize(peak, blur=5).sum() > 1
    assert stretch(torch.tensor([[2.0, 4.0]])).tolist() == [[0.0, 1.0]]


def test_nearest_makes_steps_and_bilinear_does_not():
    coarse = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    steps = resize_map(coarse, (8, 8), 'nearest')
    assert steps.unique().tolist() == [0.0, 1.0]
    assert len(resize_map(coarse, (8, 8), 'bilinear').unique()) > 2
