"""Each backend, from the registry to maps of phrases."""

from __future__ import annotations

import pytest
import torch
from mmdet.registry import MODELS
from tiny_models import CAPTIONS

from mmdet_ovis.vlm.base import VisionLanguageModel
from mmdet_ovis.vlm.bridgetower import BridgeTowerMatcher
from mmdet_ovis.vlm.iterative_masking import IterativeMasking


@pytest.fixture(params=['blip', 'bridgetower', 'clip', 'albef'])
def backend(request) -> VisionLanguageModel:
    """Built by its config."""
    kind = request.param
    folder = request.getfixturevalue(f'{kind}_folder')
    config = {
        'blip': dict(type='BlipMatcher', checkpoint=folder, block=1),
        'bridgetower': dict(type='BridgeTowerMatcher', checkpoint=folder, block=1),
        'clip': dict(type='ClipSurgery', checkpoint=folder, num_blocks=2),
        'albef': dict(
            type='AlbefMatcher',
            checkpoint=folder / 'albef.pth',
            vocab=folder / 'vocab.txt',
            block=2,
            num_heads=2,
        ),
    }[kind]
    return MODELS.build(config)


def test_from_image_to_maps(backend, images, phrases):
    state = backend.encode(backend.preprocess(images))
    height, width = state.grid
    assert state.features.shape[:2] == (3, 1 + height * width)
    assert not state.features.requires_grad
    found = backend.phrase_maps(state, CAPTIONS, phrases)
    assert [tuple(m.shape) for m in found.maps] == [
        (n, height, width) for n in (3, 0, 1)
    ]
    for maps in (found.maps[0], found.maps[2]):
        assert maps.dtype == torch.float32
        assert (maps >= 0).all()
        assert (maps.amax(dim=(1, 2)) > maps.amin(dim=(1, 2))).all()
    assert ((found.p_match >= 0) & (found.p_match <= 1)).all()
    logits = backend.match(state, CAPTIONS)
    assert logits.shape == (3,)
    assert not logits.requires_grad


def test_batches_do_not_mix(backend, images, phrases):
    together = backend.phrase_maps(
        backend.encode(backend.preprocess(images)), CAPTIONS, phrases
    )
    for i in range(3):
        state = backend.encode(backend.preprocess(images[i : i + 1]))
        alone = backend.phrase_maps(state, CAPTIONS[i : i + 1], phrases[i : i + 1])
        torch.testing.assert_close(
            alone.maps[0], together.maps[i], atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(
            alone.p_match[0], together.p_match[i], atol=1e-4, rtol=0
        )


def test_maps_depend_on_the_image(backend, images, phrases):
    maps = [
        backend.phrase_maps(
            backend.encode(backend.preprocess([image])), CAPTIONS[:1], phrases[:1]
        ).maps[0]
        for image in images[:2]
    ]
    assert (maps[0] - maps[1]).abs().max() > 1e-2 * maps[0].max()


def test_iterative_masking_runs(backend, images, phrases):
    for masking in (IterativeMasking(stop_ratio=0.0), IterativeMasking.compat()):
        found = masking(backend, images, CAPTIONS, phrases)
        assert [len(part) for part in found] == [3, 0, 1]
        for activation in (*found[0], *found[2]):
            assert activation.prompt.shape == backend.image_size
            assert 0 < activation.prompt.mean() < 1
            assert activation.box_map.max() == 1
            assert len(activation.p_match) == 3


def test_weights_survive_a_pass(backend, images, phrases):
    before = {name: value.clone() for name, value in backend.state_dict().items()}
    state = backend.encode(backend.preprocess(images))
    backend.phrase_maps(state, CAPTIONS, phrases)
    assert all(p.grad is None for p in backend.parameters())
    assert all(torch.equal(before[k], v) for k, v in backend.state_dict().items())


def test_bridgetower_scores_as_the_library_does(bridgetower_folder, images):
    model = BridgeTowerMatcher(bridgetower_folder, block=1)
    pixels, tokens = model.preprocess(images), model.tokenize(CAPTIONS)
    expected = model.network(
        input_ids=tokens.ids, attention_mask=tokens.mask.long(), pixel_values=pixels
    ).logits
    torch.testing.assert_close(
        model.match(model.encode(pixels), CAPTIONS), expected[:, 1]
    )
    assert model.max_tokens == 62
    with pytest.raises(ValueError, match='block 2 is the last one'):
        BridgeTowerMatcher(bridgetower_folder)


def test_bridgetower_keeps_no_graph_of_its_image_tower(bridgetower_folder, images):
    model = BridgeTowerMatcher(bridgetower_folder, block=1)
    state = model.encode(model.preprocess(images))
    seen = []
    block = model.network.bridgetower.vision_model.visual.transformer.resblocks[-1]
    block.register_forward_hook(lambda _, __, out: seen.append(out.requires_grad))
    model.activate(state, model.tokenize(CAPTIONS))
    assert seen == [False]


def test_bridgetower_on_larger_images(bridgetower_folder, images, phrases):
    model = BridgeTowerMatcher(bridgetower_folder, block=1, image_size=48)
    state = model.encode(model.preprocess(images))
    assert model.phrase_maps(state, CAPTIONS, phrases).maps[0].shape == (3, 6, 6)
