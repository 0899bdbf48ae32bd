"""Pretraining on captions: regions, words, and weights that detectors take."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from caption_case import draw_batch, make_sample
from mmdet.registry import MODELS

from mmdet_ovis.evaluation.functional.pointing_game import points_at
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.models.matchers.image_regions import (
    draw_cells,
    grid_boxes,
    valid_cells,
)

BACKBONE = dict(
    type='ResNet',
    depth=18,
    base_channels=8,
    stem_channels=8,
    frozen_stages=-1,
    norm_eval=False,
    zero_init_residual=False,
)
NECK = dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=4)


@pytest.fixture
def bank(tmp_path):
    TextEmbeddingBank(('square', 'disc'), np.eye(2, 4)).save(tmp_path / 'bank.npz')
    return str(tmp_path / 'bank.npz')


@pytest.fixture
def build(bank):
    def make(**options):
        torch.manual_seed(0)
        cfg = dict(
            type='CaptionGrounding',
            backbone=BACKBONE,
            neck=NECK,
            level=1,
            in_channels=16,
            embed_dim=4,
            tokens=dict(type='BankTokens', embeddings=bank),
            temperature=1.0,
        )
        return MODELS.build(copy.deepcopy(cfg | options))

    return make


@pytest.fixture
def batch():
    """A red square and a blue disc, as far as colours go."""
    images = torch.full((2, 3, 64, 64), -1.0)
    images[0, 0, 8:32, 8:32] = 2.0
    images[1, 2, 40:60, 24:44] = 2.0
    return images, [make_sample('A square.'), make_sample('Here are two discs.')]


def total(losses):
    return sum(value for name, value in losses.items() if name.startswith('loss'))


def test_learns_what_words_mean_and_points_at_them(build):
    random = np.random.default_rng(0)
    model = build(neck=None, in_channels=16, level=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    model.train()
    losses = []
    for _ in range(40):
        loss = total(model(*draw_batch(8, random), mode='loss'))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # Of eight images of two kinds, four suit a caption equally well.
    assert losses[0] > 4 * np.log(8) - 1
    assert np.mean(losses[-5:]) < 4 * np.log(4) + 0.5
    images, samples = draw_batch(20, random)
    with torch.no_grad():
        found = model.eval()(images, samples, mode='predict')
    hits = []
    for sample, image in zip(found, images, strict=True):
        assert sample.words in (('square',), ('disc',))
        assert sample.word_maps.shape == (1, 8, 8)
        target = (image > 0).any(dim=0).numpy()
        hits.append(points_at(sample.word_maps[0].numpy(), target))
    assert np.mean(hits) > 0.7  # by chance, one in seven


def test_every_parameter_of_the_used_level_learns(build, batch):
    model = build(neck=None, in_channels=64, level=-1)
    model.train()
    total(model(*batch, mode='loss')).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_weights_have_the_names_that_they_have_in_a_c4_detector(bank):
    trunk = BACKBONE | dict(num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1))
    trunk = trunk | dict(depth=50, out_indices=(2,))
    shared = dict(type='ResLayer', depth=50, stage=3, stride=2, dilation=1)
    model = MODELS.build(
        dict(
            type='CaptionGrounding',
            backbone=trunk | dict(base_channels=64, stem_channels=64),
            shared_head=shared,
            in_channels=2048,
            embed_dim=4,
            tokens=dict(type='BankTokens', embeddings=bank),
        )
    )
    names = {'.'.join(key.split('.')[:3]) for key in model.state_dict()}
    assert {name for name in names if not name.startswith('backbone')} == {
        'roi_head.shared_head.layer4',
        'roi_head.bbox_head.fc_emb',
    }
    with torch.no_grad():
        assert model.eval()(torch.zeros(1, 3, 64, 96)).shape == (1, 2048, 2, 3)


def test_padding_has_no_say(build, batch):
    """Neither in the regions that are drawn, nor in the maps of words."""
    model = build(max_regions=1000).eval()  # all of them
    images = batch[0].clone()
    samples = [make_sample('A square.', (64, 64)), make_sample('A disc.', (32, 48))]
    images[1, :, 32:], images[1, :, :, 48:] = 0, 0
    expected = model(images, samples, mode='loss')
    valid = valid_cells([s.img_shape for s in samples], (64, 64), (8, 8))
    features = model.extract_feat(images)
    features = features.where(valid[:, None], torch.tensor(1e3))
    model.extract_feat = lambda _: features
    for name, value in model(images, samples, mode='loss').items():
        torch.testing.assert_close(value, expected[name])
    maps = [sample.word_maps for sample in model(images, samples, mode='predict')]
    assert [tuple(each.shape) for each in maps] == [(1, 8, 8), (1, 4, 6)]


@pytest.mark.parametrize('size', [1, 2])
def test_captions_without_a_known_word_do_no_harm(build, batch, size):
    model = build()
    model.train()
    samples = [make_sample('Nothing that the bank knows.') for _ in range(size)]
    loss = total(model(batch[0][:size], samples, mode='loss'))
    assert loss == 0
    loss.backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert grads
    assert all((grad == 0).all() for grad in grads)
    sample = model(batch[0][:1], samples[:1], mode='predict')[0]
    assert sample.words == ()
    assert sample.word_maps.shape == (0, 8, 8)


def test_an_image_smaller_than_half_a_cell_does_no_harm(build, batch):
    model = build()
    samples = [make_sample('A square.', (3, 3)), make_sample('A disc.')]
    losses = model(batch[0], samples, mode='loss')
    assert all(torch.isfinite(value) for value in losses.values())
    assert model(batch[0], samples, mode='predict')[0].word_maps.shape == (1, 0, 0)


def test_drawn_cells_are_valid_and_different():
    valid = torch.zeros(3, 50, dtype=torch.bool)
    valid[0, ::2] = True
    valid[1, 7] = True
    torch.manual_seed(0)
    seen = set()
    for _ in range(40):
        cells, mask = draw_cells(valid, 10)
        assert cells.shape == mask.shape == (3, 10)
        assert mask.sum(dim=1).tolist() == [10, 1, 0]
        assert valid[0, cells[0]].all()
        assert len(set(cells[0].tolist())) == 10
        assert cells[1, 0] == 7
        seen |= set(cells[0].tolist())
    assert seen == set(range(0, 50, 2))
    assert draw_cells(valid, 100)[0].shape == (3, 50)


def test_modes(build, batch):
    model = build()
    assert model(batch[0]).shape == (2, 16, 8, 8)
    with pytest.raises(ValueError, match="mode is 'loss', 'predict' or 'tensor'"):
        model(*batch, mode='train')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(max_regions=0), 'max_regions is at least 1, not 0'),
        (dict(temperature=0), 'temperature is above 0, not 0'),
    ],
)
def test_arguments_out_of_range(build, options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_vectors_of_another_dimension_are_named(build, batch):
    model = build(embed_dim=8)
    with pytest.raises(ValueError, match=r'bank\.npz holds vectors of 4 dimensions'):
        model(*batch, mode='loss')


# ---------------------------------------------------------------- boxes as regions

LOCAL = dict(num_stages=2, out_indices=(1,), strides=(1, 2), dilations=(1, 1))
BOXES = dict(
    backbone=BACKBONE | LOCAL,
    neck=None,
    in_channels=None,
    embed_dim=None,
    bbox_roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=3, sampling_ratio=1),
        out_channels=16,
        featmap_strides=[8],
    ),
    bbox_head=dict(
        type='EmbeddingBBoxHead',
        num_shared_fcs=1,
        fc_out_channels=24,
        in_channels=16,
        roi_feat_size=3,
        embed_dim=4,
    ),
    box_sizes=(16, 32),
)


def test_boxes_learn_what_words_mean(build):
    random = np.random.default_rng(0)
    model = build(**BOXES)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    model.train()
    for _ in range(40):
        loss = total(model(*draw_batch(8, random), mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model.roi_head['bbox_head'].shared_fcs[0].weight.grad.any()
    images, samples = draw_batch(20, random)
    with torch.no_grad():
        found = model.eval()(images, samples, mode='predict')
    shares = []
    for sample, image in zip(found, images, strict=True):
        assert sample.word_boxes.shape == (1, 4)
        assert sample.word_scores.shape == (1,)
        x1, y1, x2, y2 = sample.word_boxes[0].round().int().tolist()
        target = (image > 0).any(dim=0)
        shares.append(target[y1:y2, x1:x2].float().mean().item())
    assert np.mean(shares) > 0.4  # an object fills a seventh of an image


def test_boxes_of_images_of_different_sizes(build):
    model = build(**BOXES)
    samples = [make_sample('A square.', (64, 64)), make_sample('A disc.', (40, 64))]
    losses = model(torch.randn(2, 3, 64, 64), samples, mode='loss')
    assert all(value.isfinite().all() for value in losses.values())


def test_weights_have_the_names_of_a_detector(build):
    names = set(build(**BOXES).state_dict())
    assert {
        'roi_head.bbox_head.shared_fcs.0.weight',
        'roi_head.bbox_head.fc_emb.weight',
    } <= names


def test_regions_are_cells_or_boxes(build):
    for options in (
        dict(box_sizes=(16,)),
        BOXES | dict(box_sizes=None),
        dict(embed_dim=None),
    ):
        with pytest.raises(ValueError, match=r'regions are cells .* or boxes'):
            build(**options)


def test_boxes_pass_through_what_stands_before_the_box_head(build):
    """As in a C4 detector."""
    shared = dict(type='ResLayer', depth=18, stage=3, stride=2, style='pytorch')
    head = BOXES['bbox_head'] | dict(in_channels=512, roi_feat_size=2)
    extractor = BOXES['bbox_roi_extractor'] | dict(out_channels=256)
    trunk = BACKBONE | LOCAL | dict(base_channels=128)
    model = build(
        **BOXES | dict(backbone=trunk, bbox_roi_extractor=extractor, bbox_head=head),
        shared_head=shared,
    ).eval()
    image, boxes = torch.randn(1, 3, 64, 64), torch.tensor([[[8.0, 8, 40, 50]]])
    found = model.embed_boxes(image, boxes)
    assert found.shape == (1, 1, 4)
    rois = torch.tensor([[0, 8.0, 8, 40, 50]])
    parts = model.roi_head
    cut = parts['bbox_roi_extractor'](model.backbone(image), rois)
    expected, _ = parts['bbox_head'].embed(parts['shared_head'](cut))
    torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize('shape', [(50, 90), (20, 24), (24, 20), (22, 68)])
def test_squares_cover_an_image(shape):
    height, width = shape
    boxes = grid_boxes(shape, (20, 64))
    assert boxes.min() == 0
    for size in (20, 64):
        covered = np.zeros(shape, bool)
        for x1, y1, x2, y2 in grid_boxes(shape, (size,)).round().int().tolist():
            covered[y1:y2, x1:x2] = True
        assert covered.all()
    # A square that is higher than the image is cut off.
    assert (boxes[:, 3] - boxes[:, 1]).max() == height
    assert boxes[:, 2].max() == width
