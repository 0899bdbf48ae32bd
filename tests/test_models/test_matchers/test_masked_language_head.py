"""Guessing masked words: what is drawn, what is seen, what is learnt."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from caption_case import draw_batch
from mmdet.registry import MODELS

from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.models.matchers import MaskedLanguageHead
from mmdet_ovis.models.matchers.caption_batch import CaptionBatch
from mmdet_ovis.models.matchers.image_regions import (
    Regions,
    cell_centres,
    relative_centres,
)

DIM = 8
SMALL = dict(
    type='MaskedLanguageHead', num_layers=1, num_heads=2, feedforward_channels=16
)
GROUNDING = {
    f'loss_{one}_to_{other}'
    for one in ('words', 'regions')
    for other in ('image', 'caption')
}


@pytest.fixture
def head():
    torch.manual_seed(0)
    return MaskedLanguageHead(DIM, 2, 2, 16, max_positions=4).eval()


@pytest.fixture
def table():
    return torch.randn(5, DIM, generator=torch.Generator().manual_seed(1))


def make_words(ids, table):
    """Captions of rows of the table; -1 where there is none."""
    ids = torch.tensor(ids)
    mask = ids >= 0
    ids = ids.clamp(min=0)
    return CaptionBatch(table[ids] * mask[..., None], mask, ids)


def make_regions(numbers, longest=3):
    generator = torch.Generator().manual_seed(2)
    return Regions(
        torch.randn(len(numbers), longest, DIM, generator=generator),
        torch.arange(longest) < torch.tensor(numbers)[:, None],
        torch.rand(len(numbers), longest, 2, generator=generator),
    )


def flags(*rows):
    return torch.tensor(rows, dtype=torch.bool)


def test_layers_start_differently(head):
    one, other = (layer.linear1.weight for layer in head.encoder.layers)
    assert not torch.equal(one, other)


def test_shares_that_are_drawn(head):
    """15 % are guessed, of these 90 % are hidden; padding never."""
    mask = torch.ones(200, 200, dtype=torch.bool)
    mask[:, 150:] = False
    torch.manual_seed(0)
    guessed, hidden = head.draw(mask)
    assert not (guessed & ~mask).any()
    assert not (hidden & ~guessed).any()
    assert guessed[:, :150].float().mean() == pytest.approx(0.15, abs=0.01)
    assert hidden.sum() / guessed.sum() == pytest.approx(0.9, abs=0.02)


def test_a_hidden_word_is_not_seen_and_a_kept_one_is(head, table):
    regions, guessed = make_regions([2]), flags([0, 1, 0])
    for hidden, same in ((flags([0, 1, 0]), True), (flags([0, 0, 0]), False)):
        one, other = (
            head._encode(make_words([[3, word, 4]], table), regions, hidden)
            for word in (0, 1)
        )
        assert torch.allclose(one[guessed], other[guessed]) == same


@pytest.mark.parametrize('part', ['image', 'caption'])
def test_guesses_depend_on_the_image_and_on_the_caption(head, table, part):
    guessed = flags([0, 1])
    words, regions = make_words([[3, 0]], table), make_regions([2])
    before = head._encode(words, regions, guessed)[guessed]
    if part == 'image':
        regions = regions._replace(vectors=-regions.vectors)
    else:
        words = make_words([[2, 0]], table)
    assert not torch.allclose(head._encode(words, regions, guessed)[guessed], before)


def test_places_of_words_and_regions_are_told_apart(head, table):
    guessed, regions = flags([0, 0, 1]), make_regions([2])
    before = head._encode(make_words([[3, 4, 0]], table), regions, guessed)[guessed]
    swapped = head._encode(make_words([[4, 3, 0]], table), regions, guessed)[guessed]
    assert not torch.allclose(before, swapped)
    moved = regions._replace(centres=regions.centres + 0.3)
    found = head._encode(make_words([[3, 4, 0]], table), moved, guessed)[guessed]
    assert not torch.allclose(before, found)


def test_captions_may_be_longer_than_the_places_that_are_told_apart(head, table):
    words = make_words([[3, 4, 0, 1, 2, 2, 1]], table)
    guessed = torch.zeros_like(words.mask)
    guessed[0, 6] = True
    found = head.loss(words, make_regions([2]), guessed, guessed, table)
    assert found['loss_masked_language'].isfinite()


def test_padding_has_no_say(head, table):
    """Whatever stands in it, and however much there is of it."""
    guessed = flags([0, 1, 0])
    words, regions = make_words([[3, 0, -1]], table), make_regions([2])
    before = head.loss(words, regions, guessed, guessed, table)
    words.vectors[0, 2] = 1e3
    regions.vectors[0, 2] = -1e3
    after = head.loss(words, regions, guessed, guessed, table)
    short = head.loss(
        CaptionBatch(*(part[:, :2] for part in words)),
        Regions(*(part[:, :2] for part in regions)),
        guessed[:, :2],
        guessed[:, :2],
        table,
    )
    for other in (after, short):
        torch.testing.assert_close(other, before)


def test_the_loss_is_the_cross_entropy_of_the_guesses(head, table):
    """Of both images together, by what the encoder gives."""
    words, regions = make_words([[3, 0], [2, -1]], table), make_regions([2, 1])
    guessed = flags([1, 1], [1, 0])
    losses = head.loss(words, regions, guessed, guessed, table)
    states = head.transform(head._encode(words, regions, guessed)[guessed])
    scores = (states @ table.T).softmax(dim=1)
    right = torch.tensor([3, 0, 2])
    expected = -scores[range(3), right].log().mean()
    torch.testing.assert_close(losses['loss_masked_language'], expected)
    hits = (scores.argmax(dim=1) == right).float().mean()
    assert losses['acc_masked_language'] == pytest.approx(100 * hits.item())
    head.loss_weight = 0.5
    half = head.loss(words, regions, guessed, guessed, table)
    torch.testing.assert_close(half['loss_masked_language'], expected / 2)


@pytest.mark.parametrize('numbers', [[0, 0], [2, 1]])
def test_nothing_to_guess_is_no_loss_with_gradients(head, table, numbers):
    words = make_words([[-1], [-1]], table)
    nothing = torch.zeros_like(words.mask)
    head.train()
    losses = head.loss(words, make_regions(numbers), nothing, nothing, table)
    assert losses['loss_masked_language'] == losses['acc_masked_language'] == 0
    losses['loss_masked_language'].backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad == 0).all(), name


def test_autocast(head, table):
    words, guessed = make_words([[3, 0]], table), flags([0, 1])
    with torch.autocast('cpu', torch.bfloat16):
        found = head.loss(words, make_regions([2]), guessed, guessed, table)
    assert found['loss_masked_language'].dtype == torch.float32
    exact = head.loss(words, make_regions([2]), guessed, guessed, table)
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0.05, check_dtype=False)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(mask_ratio=0), r'mask_ratio is in \(0, 1\], not 0'),
        (dict(mask_ratio=1.5), 'mask_ratio is in'),
        (dict(keep_ratio=1), r'keep_ratio is in \[0, 1\), not 1'),
        (dict(num_heads=3), 'num_heads=3 does not divide the 8 dimensions'),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        MaskedLanguageHead(DIM, **options)


def test_centres_of_regions():
    centres = cell_centres((32, 64), (2, 2))
    assert centres.tolist() == [[16, 8], [48, 8], [16, 24], [48, 24]]
    found = relative_centres(centres[None].expand(2, 4, 2), [(32, 64), (16, 32)])
    assert found[0, 3].tolist() == [0.75, 0.75]
    assert found[1, 0].tolist() == [0.5, 0.5]


# ------------------------------------------------------- together with grounding


@pytest.fixture
def build(tmp_path):
    path = tmp_path / 'bank.npz'
    TextEmbeddingBank(('square', 'disc'), np.eye(2, DIM)).save(path)

    def make(**masked_language):
        torch.manual_seed(0)
        cfg = dict(
            type='CaptionGrounding',
            backbone=dict(
                type='ResNet',
                depth=18,
                base_channels=8,
                stem_channels=8,
                num_stages=2,
                strides=(1, 2),
                dilations=(1, 1),
                out_indices=(1,),
                frozen_stages=-1,
                norm_eval=False,
                zero_init_residual=False,
            ),
            in_channels=16,
            embed_dim=DIM,
            tokens=dict(type='BankTokens', embeddings=str(path)),
            max_regions=1000,  # all of them: nothing is drawn
            temperature=1.0,
            masked_language=SMALL | masked_language,
        )
        return MODELS.build(copy.deepcopy(cfg))

    return make


def test_the_image_tells_what_the_caption_hides(build):
    """All words are masked, so nothing else can; the trunk learns from it alone."""
    random = np.random.default_rng(0)
    model = build(mask_ratio=1.0, keep_ratio=0.0, dropout=0.0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    accuracies = []
    for _ in range(40):
        losses = model(*draw_batch(8, random), mode='loss')
        assert all(losses[name] == 0 for name in GROUNDING)  # no word is left
        accuracies.append(losses['acc_masked_language'].item())
        optimizer.zero_grad()
        losses['loss_masked_language'].backward()
        optimizer.step()
    assert np.mean(accuracies[:5]) < 80
    assert np.mean(accuracies[-10:]) > 95
    assert model.backbone.conv1.weight.grad.any()
    assert model.fc_emb.weight.grad.any()


def test_without_masks_grounding_is_as_it_was(build):
    images, samples = draw_batch(6, np.random.default_rng(0))
    model = build(mask_ratio=1e-9).eval()
    losses = model(images, samples, mode='loss')
    assert losses['loss_masked_language'] == 0
    model.masked_language = None
    plain = model(images, samples, mode='loss')
    assert set(plain) == GROUNDING | {'acc_image'}
    for name, value in plain.items():
        torch.testing.assert_close(losses[name], value)


def test_every_parameter_learns_and_none_of_its_own_reaches_a_detector(build):
    model = build(mask_ratio=0.5).train()
    torch.manual_seed(1)
    losses = model(*draw_batch(8, np.random.default_rng(0)), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    unused = {n for n, p in model.named_parameters() if p.grad is None}
    assert unused == set()
    own = {n for n in model.state_dict() if n.startswith('masked_language.')}
    names = {n.split('.')[0] for n in model.state_dict()}
    assert own
    assert names == {'backbone', 'roi_head', 'masked_language'}
