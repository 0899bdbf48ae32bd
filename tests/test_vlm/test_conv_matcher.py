"""The small image-text network: attention of words, GradCAM, checkpoints."""

from __future__ import annotations

import pytest
import torch
from tiny_models import find_phrase, write_vocabulary

from mmdet_ovis.utils.checkpoint import CheckpointError
from mmdet_ovis.vlm.conv_matcher import ConvMatcher, build_network
from mmdet_ovis.vlm.conv_network import ConvMatcherNetwork, WordAttention

NETWORK = dict(
    type='ConvMatcherNetwork',
    backbone=dict(
        type='mmdet.ResNet',
        depth=18,
        num_stages=2,
        out_indices=(1,),
        strides=(1, 2),
        dilations=(1, 1),
        base_channels=8,
        stem_channels=8,
        norm_eval=False,
    ),
    in_channels=16,
    stride=8,
    image_size=32,
    dim=16,
    num_heads=2,
)
CAPTIONS = ['a dog on the red sofa', 'a cat']


@pytest.fixture
def vocab(tmp_path):
    return write_vocabulary(tmp_path / 'vocab.txt')


@pytest.fixture
def checkpoint(tmp_path, vocab):
    torch.manual_seed(0)
    network, _ = build_network(NETWORK, vocab)
    state = {f'network.{key}': value for key, value in network.state_dict().items()}
    torch.save({'state_dict': {**state, 'scale': torch.ones(())}}, tmp_path / 'a.pth')
    return tmp_path / 'a.pth'


@pytest.fixture
def matcher(vocab, checkpoint):
    return ConvMatcher(NETWORK, vocab, checkpoint)


def test_attention_in_closed_form():
    attention = WordAttention(1.0)
    words = torch.tensor([[[1.0, 0.0]]])
    patches = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    context, probabilities = attention(words, patches)
    e = torch.e
    assert torch.allclose(probabilities, torch.tensor([[[[e / (e + 1), 1 / (e + 1)]]]]))
    assert torch.allclose(context, torch.tensor([[[e / (e + 1), 1 / (e + 1)]]]))


def test_texts_of_one_image_share_its_patches():
    torch.manual_seed(0)
    attention = WordAttention(3.0)
    words, patches = torch.randn(4, 3, 8), torch.randn(2, 5, 8)
    together, shared = attention(words, patches)
    alone, each = attention(words, patches.repeat_interleave(2, dim=0))
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.allclose(shared, each, atol=1e-6)


def test_encoded_images_are_unit_vectors(matcher, images):
    state = matcher.encode(matcher.preprocess(images))
    assert state.features.shape == (3, 1 + 16, 16)
    assert state.grid == (4, 4)
    assert torch.allclose(state.features.norm(dim=-1), torch.ones(3, 17), atol=1e-5)
    assert torch.equal(state.features[0, 0], state.features[1, 0])  # "nothing"


def test_maps_of_its_only_block(matcher, images):
    phrases = [[find_phrase(CAPTIONS[0], 'dog')], [find_phrase(CAPTIONS[1], 'cat')]]
    state = matcher.encode(matcher.preprocess(images[:2]))
    found = matcher.phrase_maps(state, CAPTIONS, phrases)
    assert [m.shape for m in found.maps] == [(1, 4, 4), (1, 4, 4)]
    assert all((m >= 0).all() for m in found.maps)
    alone = matcher.phrase_maps(
        matcher.encode(matcher.preprocess(images[1:2])), CAPTIONS[1:], phrases[1:]
    )
    assert torch.allclose(found.maps[1], alone.maps[0], atol=1e-5)
    logits = matcher.match(state, CAPTIONS)
    assert torch.allclose(found.p_match, logits.sigmoid(), atol=1e-6)
    with pytest.raises(ValueError, match='block 1 is not one of the 1'):
        matcher.check_block(1)


def test_gradcam_is_attention_times_similarity(matcher, images):
    """In a text of one word, the derivative by attention is its cosine."""
    network = matcher.network
    ids = torch.tensor([[matcher.tokenizer.convert_tokens_to_ids('dog')]])
    mask = torch.ones(1, 1, dtype=torch.bool)
    features = network.encode(matcher.preprocess(images[:1]))
    score = network.fuse(ids, mask, features)[0, 1]
    words = network._words(ids) + network.context_projection(
        network.text_encoder(ids, mask, features)
    )
    words = torch.nn.functional.normalize(words, dim=-1)
    _, attention = network.attention(words, features)
    cosines = words @ features.transpose(1, 2)
    expected = network.scale * (attention[:, 0] * cosines).sum() + network.bias
    assert torch.allclose(score, expected, atol=1e-5)


def test_alignment_is_the_cosine_with_each_patch(matcher, images):
    network = matcher.network
    features = network.encode(matcher.preprocess(images[:1]))
    ids = torch.tensor([[7, 8], [9, 0]])
    mask = torch.tensor([[True, True], [True, False]])
    cosines = network.align(ids, mask, features)
    assert cosines.shape == (1, 2, 16)
    assert cosines.abs().max() <= 1 + 1e-5
    alone = network.align(ids[1:, :1], mask[1:, :1], features)
    assert torch.allclose(cosines[:, 1:], alone, atol=1e-6)


def test_checkpoints_have_to_fit(vocab, checkpoint):
    with pytest.raises(CheckpointError, match=r'a\.pth'):
        ConvMatcher({**NETWORK, 'dim': 32}, vocab, checkpoint)


def test_heads_have_to_divide_the_width():
    network = {k: v for k, v in NETWORK.items() if k != 'type'}
    with pytest.raises(ValueError, match='3 heads do not divide a width of 16'):
        ConvMatcherNetwork(**{**network, 'num_heads': 3}, vocab_size=10)


def test_the_grid_has_to_fill_the_image():
    network = {k: v for k, v in NETWORK.items() if k != 'type'}
    with pytest.raises(ValueError, match='image_size'):
        ConvMatcherNetwork(**{**network, 'image_size': 36}, vocab_size=10)
