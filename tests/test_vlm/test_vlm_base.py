"""What all vision-language models share: images in, texts checked, never trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import find_phrase
from vlm_stub import ColorMatcher

from mmdet_ovis.vlm.base import CLIP_MEAN, CLIP_STD, as_size, patch_grid


def test_images_become_rgb_of_the_right_size(images):
    model = ColorMatcher(image_size=32)
    pixels = model.preprocess(images)
    assert pixels.shape == (3, 3, 32, 32)
    assert pixels.dtype == torch.float32
    rgb = Image.fromarray(images[0][..., ::-1].copy()).resize((32, 32), Image.BICUBIC)
    expected = (np.asarray(rgb) / 255 - CLIP_MEAN) / CLIP_STD
    np.testing.assert_allclose(pixels[0].permute(1, 2, 0), expected, atol=1e-5)


def test_normalisation_can_be_undone(images):
    model = ColorMatcher(image_size=64)
    shown = model.denormalize(model.preprocess([images[1]]))
    np.testing.assert_allclose(
        shown[0].permute(1, 2, 0) * 255, images[1][..., ::-1], atol=1e-3
    )
    assert (model.denormalize(torch.full((3, 2, 2), 9.0)) == 1).all()


def test_no_image_is_a_batch_too():
    assert ColorMatcher(image_size=32).preprocess([]).shape == (0, 3, 32, 32)


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        'photo.jpg',
    ],
)
def test_what_is_no_image_is_refused(images, image):
    with pytest.raises(ValueError, match=r'image 1 has to be an array \(H, W, 3\)'):
        ColorMatcher().preprocess([images[0], image])


def test_evaluation_is_for_ever(blip):
    assert not blip.train().training
    assert not any(module.training for module in blip.modules())
    assert not any(p.requires_grad for p in blip.parameters())
    assert 'pixel_mean' not in blip.state_dict()


def test_sizes():
    assert as_size(3) == (3, 3)
    assert patch_grid((32, 48), 16) == (2, 3)
    for size in ((33, 32), (32, 8), (0, 0)):
        with pytest.raises(ValueError, match='not a multiple of the patches'):
            patch_grid(size, 16)


@pytest.mark.parametrize(
    ('captions', 'phrases', 'message'),
    [
        (['a'], [[], []], '1 captions for 2 images'),
        (['a', 'b'], [[]], '1 lists of phrases for 2 images'),
        (['a dog', 'b'], [[], [find_phrase('a dog', 'dog')]], 'of caption 1'),
    ],
)
def test_texts_have_to_belong_to_the_images(images, captions, phrases, message):
    model = ColorMatcher()
    state = model.encode(model.preprocess(images[:2]))
    with pytest.raises(ValueError, match=message):
        model.phrase_maps(state, captions, phrases)
