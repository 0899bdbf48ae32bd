"""Training of the small image-text network."""

from __future__ import annotations

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample

from mmdet_ovis.language.word_pieces import write_word_pieces
from mmdet_ovis.models.matchers import ImageTextMatcher

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
        frozen_stages=-1,
        norm_eval=False,
    ),
    in_channels=16,
    stride=8,
    image_size=32,
    dim=16,
    num_heads=2,
)


@pytest.fixture
def model(tmp_path):
    write_word_pieces(tmp_path / 'vocab.txt', ['a red square', 'a blue disc'])
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='ImageTextMatcher',
            network=copy.deepcopy(NETWORK),
            vocab=str(tmp_path / 'vocab.txt'),
            words=['square', 'disc'],
        )
    )


def make_sample(text_pairs, words):
    texts = [text for pair in text_pairs for text in pair]
    labels = [1, 0] * len(text_pairs)
    return DetDataSample(
        metainfo=dict(texts=texts, text_labels=labels, word_labels=words)
    )


@pytest.fixture
def batch():
    """A red square and a blue disc, as far as colours go."""
    images = torch.full((2, 3, 32, 32), -1.0)
    images[0, 0, 4:20, 4:20] = 2.0
    images[1, 2, 12:28, 12:28] = 2.0
    pairs = [('a red square', 'a blue disc'), ('a blue disc', 'a red square')]
    return images, [make_sample([pair], [i]) for i, pair in enumerate(pairs)]


def test_learns_to_tell_texts_apart(model, batch):
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    first = None
    for _ in range(40):
        losses = model(*batch, mode='loss')
        loss = losses['loss_itm'] + losses['loss_align']
        first = loss.item() if first is None else first
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * first
    assert losses['acc_itm'] == 100
    assert losses['acc_align'] == 100
    for sample in model(*batch, mode='predict'):
        assert sample.p_match.shape == (2,)
        assert (sample.p_match >= 0).all()
        assert (sample.p_match <= 1).all()


def test_every_parameter_learns(model, batch):
    model.train()
    model.network.context_projection.weight.data.normal_()  # zero to begin with
    losses = model(*batch, mode='loss')
    (losses['loss_itm'] + losses['loss_align']).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []


def test_losses_of_no_knowledge(model, batch):
    """Where all cosines are 0, logits are the biases."""
    network = model.network
    network.word_projection.weight.data.zero_()
    network.word_projection.bias.data.zero_()
    network.bias.data.zero_()
    model.bias.data.zero_()
    losses = model(*batch, mode='loss')
    log2 = torch.log(torch.tensor(2.0))
    assert torch.allclose(losses['loss_itm'], log2)
    assert torch.allclose(losses['loss_align'], 2.0 * log2)


def test_modes(model, batch):
    assert model(*batch).shape == (4, 2)
    with pytest.raises(ValueError, match="mode is 'loss', 'predict' or 'tensor'"):
        model(*batch, mode='train')


def test_texts_have_to_be_as_many_and_short(model, batch):
    images, samples = batch
    samples[1] = make_sample([('a disc', 'a square')] * 2, [1])
    with pytest.raises(ValueError, match=r'have \[2, 4\] texts, not as many'):
        model(images, samples, mode='loss')
    long = make_sample([('disc ' * 70, 'square')], [1])
    with pytest.raises(ValueError, match='72 tokens, the network takes 64'):
        model(images[:1], [long], mode='loss')


def test_words_may_come_from_a_file(tmp_path, model):
    (tmp_path / 'words.txt').write_text('square\ndisc\n')
    other = ImageTextMatcher(
        copy.deepcopy(NETWORK), tmp_path / 'vocab.txt', str(tmp_path / 'words.txt')
    )
    assert other.words == model.words
    assert torch.equal(other.word_ids, model.word_ids)
