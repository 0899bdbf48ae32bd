"""CLIP without gradients."""

from __future__ import annotations

import pytest
import torch
from tiny_models import CAPTIONS

from mmdet_ovis.vlm.clip_surgery import ClipSurgery, attend_by_values


@pytest.fixture
def clip(clip_folder):
    return ClipSurgery(clip_folder, num_blocks=2)


def test_values_attend_to_values(clip):
    attention = clip.network.vision_model.encoder.layers[0].self_attn
    hidden = torch.randn(2, 5, 24)
    value = attention.v_proj(hidden).view(2, 5, 2, 12).transpose(1, 2)
    weight = (value @ value.transpose(-1, -2) / 12**0.5).softmax(dim=-1)
    context = (weight @ value).transpose(1, 2).reshape(2, 5, 24)
    torch.testing.assert_close(
        attend_by_values(attention, hidden), attention.out_proj(context)
    )


def test_side_path_reads_the_inputs_of_the_last_blocks(clip, images):
    tower, pixels = clip.network.vision_model, clip.preprocess(images)
    inputs = []
    for layer in tower.encoder.layers[-2:]:
        layer.layer_norm1.register_forward_pre_hook(lambda _, x: inputs.append(x[0]))
    features = clip.encode(pixels).features
    side = inputs[0]
    for layer, hidden in zip(tower.encoder.layers[-2:], inputs[:2], strict=True):
        normed = torch.nn.functional.layer_norm(
            hidden, (24,), layer.layer_norm1.weight, layer.layer_norm1.bias, 1e-5
        )
        side = side + attend_by_values(layer.self_attn, normed)
    patches = clip.network.visual_projection(tower.post_layernorm(side))[:, 1:]
    expected = torch.nn.functional.normalize(patches, dim=-1)
    torch.testing.assert_close(features[:, 1:], expected)


def test_class_token_and_texts_are_those_of_clip(clip, images):
    pixels = clip.preprocess(images)
    tokens = clip.tokenizer(CAPTIONS, padding=True, return_tensors='pt')
    expected = clip.network(
        input_ids=tokens.input_ids,
        attention_mask=tokens.attention_mask,
        pixel_values=pixels,
    )
    state = clip.encode(pixels)
    torch.testing.assert_close(state.features[:, 0], expected.image_embeds)
    torch.testing.assert_close(clip.encode_texts(CAPTIONS), expected.text_embeds)
    redundant = clip.encode_texts(clip.redundant_texts)
    scale = clip.network.logit_scale.exp()
    torch.testing.assert_close(
        clip.match(state, CAPTIONS),
        expected.logits_per_image.diag()
        - scale * (expected.image_embeds @ redundant.T).mean(dim=1),
    )


def test_map_is_similarity_beyond_that_of_redundant_texts(clip, images, phrases):
    state = clip.encode(clip.preprocess(images))
    own, *common = clip.encode_texts(['a photo of a dog.', '', 'a photo.', 'a scene.'])
    similarity = state.features[0, 1:] @ (own - torch.stack(common).mean(dim=0))
    found = clip.phrase_maps(state, CAPTIONS, phrases).maps[0][0]
    torch.testing.assert_close(
        found.flatten(), similarity - similarity.min(), atol=1e-5, rtol=1e-4
    )
    assert found.min() == 0


def test_long_texts_are_cut(clip):
    long = clip.encode_texts(['a dog ' * 30])
    assert long.shape == (1, 16)
    assert long.norm().item() == pytest.approx(1)


def test_larger_images(clip_folder, images, phrases):
    model = ClipSurgery(clip_folder, num_blocks=1, image_size=48)
    state = model.encode(model.preprocess(images))
    assert model.phrase_maps(state, CAPTIONS, phrases).maps[0].shape == (3, 6, 6)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(), 'num_blocks has to be 1 to 3'),
        (dict(num_blocks=0), 'num_blocks has to be 1 to 3'),
        (dict(num_blocks=1, template='a photo'), "template has to contain '{}'"),
        (dict(num_blocks=1, redundant_texts=[]), 'redundant_texts has to be a list'),
        (dict(num_blocks=1, redundant_texts='a'), 'redundant_texts has to be a list'),
        (dict(num_blocks=1, image_size=30), 'not a multiple of the patches'),
    ],
)
def test_arguments_that_do_not_fit(clip_folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        ClipSurgery(clip_folder, **arguments)
