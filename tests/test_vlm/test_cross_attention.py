"""Token maps of models with cross-attention, on a tiny BLIP."""

from __future__ import annotations

import pytest
import torch
from tiny_models import CAPTIONS, build_blip, find_phrase

from mmdet_ovis.structures.phrase import Phrase
from mmdet_ovis.vlm.blip import BlipMatcher
from mmdet_ovis.vlm.cross_attention import recorded
from mmdet_ovis.vlm.gradcam import attention_gradient


@pytest.fixture
def state(blip, images):
    return blip.encode(blip.preprocess(images))


def run(model, state, captions):
    """Scores and attention of a pass, with their graph."""
    features = state.features.clone().requires_grad_()
    with recorded(model.cross_attentions[model.block]) as attention:
        scores = model.fuse(features, model.tokenize(captions))
    return scores, attention[0]


def test_case_3_attention_is_part_of_the_graph(blip, state):
    _, attention = run(blip, state, CAPTIONS)
    assert attention.requires_grad
    torch.testing.assert_close(attention.sum(dim=-1), torch.ones(attention.shape[:-1]))


def test_case_3_gradient_of_a_batch_is_that_of_each_image(blip, state):
    scores, attention = run(blip, state, CAPTIONS)
    gradient = attention_gradient(scores[:, 1], attention)
    for i, score in enumerate(run(blip, state, CAPTIONS)[0][:, 1]):
        alone, seen = run(blip, state, CAPTIONS)
        own = torch.autograd.grad(alone[i, 1], seen)[0]
        torch.testing.assert_close(alone[i, 1], score)
        assert (own[[k for k in range(3) if k != i]] == 0).all()
        torch.testing.assert_close(own[i], gradient[i], atol=1e-6, rtol=0)


def test_case_3_maps_are_positive_and_padding_is_zero(blip, state):
    tokens = blip.tokenize(CAPTIONS)
    found = blip.activate(state, tokens)
    assert found.maps.shape == (3, tokens.ids.shape[1], 4, 4)
    assert found.maps.dtype == torch.float32
    assert (found.maps >= 0).all()
    assert not tokens.mask[1, 4:].any()
    assert (found.maps[1, 4:] == 0).all()
    assert (found.maps[1, 3] == 0).all()  # [SEP]
    assert (found.maps[:, 1:3].amax(dim=(-2, -1)) > 0).all()


def test_case_3_last_block_is_refused(blip, blip_folder, state):
    for block, message in (
        (3, 'block 3 is the last one.*take 0 to 2'),
        (4, 'block 4 is not one of the 4'),
        (-1, 'block -1 is not one of the 4'),
    ):
        with pytest.raises(ValueError, match=message):
            BlipMatcher(blip_folder, block=block)
        with pytest.raises(ValueError, match=message):
            blip.activate(state, blip.tokenize(CAPTIONS), block=block)
    with pytest.raises(ValueError, match='block 7 is not one of the 4'):
        BlipMatcher(blip_folder)


def test_why_the_last_block_is_refused(blip, state):
    features = state.features.clone().requires_grad_()
    with recorded(blip.cross_attentions[3]) as attention:
        scores = blip.fuse(features, blip.tokenize(CAPTIONS))
    gradient = attention_gradient(scores[:, 1], attention[0])
    assert gradient[:, :, 0].abs().max() > 0
    assert (gradient[:, :, 1:] == 0).all()


def test_case_4_maps_do_not_depend_on_the_batch(blip, images, state, phrases):
    together = blip.phrase_maps(state, CAPTIONS, phrases)
    for i in range(3):
        alone = blip.phrase_maps(
            blip.encode(blip.preprocess(images[i : i + 1])),
            CAPTIONS[i : i + 1],
            phrases[i : i + 1],
        )
        torch.testing.assert_close(
            alone.maps[0], together.maps[i], atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(alone.p_match[0], together.p_match[i])


def test_hook_sees_what_the_library_returns(blip, state):
    tokens = blip.tokenize(CAPTIONS)
    scores, attention = run(blip, state, CAPTIONS)
    features = state.features.clone().requires_grad_()
    encoded = blip.network.text_encoder(
        tokens.ids,
        attention_mask=tokens.mask.long(),
        encoder_hidden_states=features,
        output_attentions=True,
    )
    again = blip.network.itm_head(encoded.last_hidden_state[:, 0])
    torch.testing.assert_close(again, scores)
    torch.testing.assert_close(encoded.cross_attentions[blip.block], attention)
    torch.testing.assert_close(
        attention_gradient(again[:, 1], encoded.cross_attentions[blip.block]),
        attention_gradient(scores[:, 1], attention),
    )


def test_phrases_sum_their_tokens(blip, state, phrases):
    maps = blip.activate(state, blip.tokenize(CAPTIONS)).maps
    found = blip.phrase_maps(state, CAPTIONS, phrases)
    assert [len(part) for part in found.maps] == [3, 0, 1]
    torch.testing.assert_close(found.maps[0][0], maps[0, 2])  # dog
    torch.testing.assert_close(found.maps[0][1], maps[0, 5] + maps[0, 6])  # red sofa
    torch.testing.assert_close(found.maps[0][2], maps[0, 6])  # sofa
    torch.testing.assert_close(
        found.maps[2][0], maps[2, 7] + maps[2, 8]
    )  # skate ##board
    assert found.maps[0][1].max() > found.maps[0][2].max()


def test_matching_scores_agree(blip, state, phrases):
    logits = blip.match(state, CAPTIONS)
    found = blip.activate(state, blip.tokenize(CAPTIONS))
    torch.testing.assert_close(found.logits, logits)
    torch.testing.assert_close(
        found.p_match, blip.phrase_maps(state, CAPTIONS, phrases).p_match
    )
    both = blip.fuse(state.features, blip.tokenize(CAPTIONS))
    torch.testing.assert_close(both[:, 1], logits)
    torch.testing.assert_close(found.p_match, both.softmax(dim=1)[:, 1])
    assert logits.std() > 1e-3


@pytest.mark.parametrize('context', [torch.no_grad, torch.inference_mode])
def test_callers_may_have_switched_gradients_off(blip, images, state, phrases, context):
    expected = blip.phrase_maps(state, CAPTIONS, phrases)
    with context():
        inside = blip.encode(blip.preprocess(images))
        found = blip.phrase_maps(inside, CAPTIONS, phrases)
    torch.testing.assert_close(found.maps, expected.maps)
    assert not found.maps[0].requires_grad
    assert all(p.grad is None for p in blip.parameters())


def test_autocast_reaches_the_image_tower_only(blip, images, state, phrases):
    expected = blip.phrase_maps(state, CAPTIONS, phrases)
    with torch.autocast('cpu', torch.bfloat16):
        half = blip.encode(blip.preprocess(images))
        found = blip.phrase_maps(state, CAPTIONS, phrases)
        rough = blip.phrase_maps(half, CAPTIONS, phrases)
        torch.testing.assert_close(
            blip.match(state, CAPTIONS), found_logits(blip, state)
        )
    assert half.features.dtype == torch.float32
    assert not torch.equal(half.features, state.features)
    torch.testing.assert_close(found.maps, expected.maps, atol=0, rtol=0)
    torch.testing.assert_close(rough.p_match, expected.p_match, atol=0.05, rtol=0)


def found_logits(model, state):
    with torch.autocast('cpu', enabled=False):
        return model.match(state, CAPTIONS)


def test_tokens_know_their_characters(blip):
    tokens = blip.tokenize(['a skateboard', 'the dog on a sofa'])
    assert tokens.offsets[0].tolist() == [
        *([0, 0], [0, 1], [2, 7], [7, 12], [0, 0]),
        *([0, 0], [0, 0]),
    ]
    assert tokens.mask.sum(dim=1).tolist() == [5, 7]
    assert tokens.overlapping(0, Phrase('board', 'eboar', 6, 11)) == [2, 3]
    assert tokens.overlapping(0, Phrase('skate', 'skate', 2, 7)) == [2]
    with pytest.raises(ValueError, match='no token of caption 0 stands for'):
        tokens.overlapping(0, Phrase(' ', ' ', 1, 2))


def test_long_captions_are_refused(blip, state):
    with pytest.raises(ValueError, match='caption 1 has 32 tokens, the model takes 24'):
        blip.match(state, ['a cat', 'a dog ' * 15, 'a'])


def test_phrases_of_another_text_are_refused(blip, state):
    phrase = find_phrase('A  dog', 'dog')
    with pytest.raises(ValueError, match=r'not at \[3, 6\) of caption 1'):
        blip.phrase_maps(state, CAPTIONS, [[], [phrase], []])


def test_models_that_hide_their_attention_are_named():
    with (
        pytest.raises(RuntimeError, match=r"Identity.*attn_implementation='eager'"),
        recorded(module := torch.nn.Identity()),
    ):
        module(torch.zeros(1))
    assert not module._forward_hooks


def test_larger_images_give_finer_maps(blip_folder, images, phrases):
    model = BlipMatcher(blip_folder, block=1, image_size=(32, 64))
    state = model.encode(model.preprocess(images))
    assert state.grid == (4, 8)
    assert model.phrase_maps(state, CAPTIONS, phrases).maps[0].shape == (3, 4, 8)
    with pytest.raises(ValueError, match='not a multiple of the patches'):
        BlipMatcher(blip_folder, block=1, image_size=36)


def test_first_token(tmp_path, blip_folder, blip):
    """[ENC] of the tokenizer, else that of the original vocabulary, else none."""
    assert blip.tokenizer.convert_ids_to_tokens(blip.first_id) == '[ENC]'
    assert (blip.tokenize(CAPTIONS).ids[:, 0] == blip.first_id).all()
    with_cls = BlipMatcher(blip_folder, block=1, first_token='cls')
    assert with_cls.first_id == with_cls.tokenizer.cls_token_id
    original = build_blip(tmp_path / 'original', extra=(), vocab_size=30524)
    assert BlipMatcher(original, block=1).first_id == 30523
    small = build_blip(tmp_path / 'small', extra=())
    with pytest.raises(ValueError, match=r"has no \[ENC\].*pass first_token='cls'"):
        BlipMatcher(small, block=1)
    assert BlipMatcher(small, block=1, first_token='cls').first_id == 2
    with pytest.raises(ValueError, match="'enc' or 'cls', not 'bos'"):
        BlipMatcher(blip_folder, block=1, first_token='bos')
