"""Networks side by side learn as they would alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mmdet_ovis.pseudo_labels.crop_segmentation.clustering_network import (
    ClusteringOptions,
    ClusteringRun,
    _Batch,
    cluster,
)
from mmdet_ovis.pseudo_labels.crop_segmentation.scribbles import (
    BACKGROUND,
    FOREGROUND,
    UNLABELLED,
)

SHAPE = (24, 32)
SIZES = ((24, 32), (20, 30), (13, 17), (24, 25))


def make_run(height, width, seed):
    """Noise with a background border and a foreground square."""
    scribbles = np.full((height, width), UNLABELLED, np.uint8)
    scribbles[[0, -1]] = BACKGROUND
    middle = (slice(height // 2 - 2, height // 2 + 2), slice(6, 10))
    scribbles[middle] = FOREGROUND
    pixels = np.random.default_rng(seed).standard_normal((3, height, width))
    pixels[:, 4:-4, 4:-4] += 1.5
    return ClusteringRun(pixels.astype(np.float32), scribbles, seed)


@pytest.fixture
def runs():
    return [make_run(*size, seed) for seed, size in enumerate(SIZES)]


class PlainNetwork(nn.Module):
    """The same network of PyTorch's own layers, without padding."""

    def __init__(self, parameters, place):
        super().__init__()
        own = [parameter[place].clone() for parameter in parameters]
        width = len(own[1])
        conv1, conv2 = (
            nn.Conv2d(3, width, 3, padding=1),
            nn.Conv2d(width, width, 3, padding=1),
        )
        conv3 = nn.Conv2d(width, width, 1, bias=False)
        norms = [nn.BatchNorm2d(width) for _ in range(3)]
        self.layers = nn.Sequential(
            conv1, nn.ReLU(), norms[0], conv2, nn.ReLU(), norms[1], conv3, norms[2]
        )
        for mine, theirs in zip(self.parameters(), own, strict=True):
            mine.data.copy_(theirs.view_as(mine))

    def loss(self, run, tv_weight, own_weight):
        output = self.layers(torch.from_numpy(run.pixels)[None])
        target = torch.from_numpy(run.scribbles).long()[None]
        known = target != UNLABELLED
        pixels = output.permute(0, 2, 3, 1)
        return (
            own_weight
            * functional.cross_entropy(pixels[~known], output.argmax(1)[~known])
            + functional.cross_entropy(pixels[known], target[known])
            + tv_weight * (output[:, :, 1:] - output[:, :, :-1]).abs().mean()
            + tv_weight * (output[..., 1:] - output[..., :-1]).abs().mean()
        )


@pytest.mark.parametrize('tv_weight', [0.0, 1.0])
def test_a_padded_batch_learns_as_plain_networks_do(runs, tv_weight):
    options = ClusteringOptions(
        width=12, tv_weight=tv_weight, own_weight=0.7, lr=0.1, max_iters=100
    )
    batch = _Batch.pad(runs, options, SHAPE, torch.device('cpu'))
    plain = [PlainNetwork(batch.parameters, i) for i in range(len(runs))]
    steps = [torch.optim.SGD(p.parameters(), lr=0.1, momentum=0.9) for p in plain]
    for _ in range(3):
        batch.step()
        for network, step, run in zip(plain, steps, runs, strict=True):
            step.zero_grad()
            network.loss(run, tv_weight, 0.7).backward()
            step.step()
    for i, network in enumerate(plain):
        for mine, theirs in zip(network.parameters(), batch.parameters, strict=True):
            assert torch.allclose(mine, theirs[i].view_as(mine), atol=2e-4, rtol=2e-3)


def test_the_output_is_that_of_the_plain_network(runs):
    options = ClusteringOptions(width=12)
    batch = _Batch.pad(runs, options, SHAPE, torch.device('cpu'))
    found = batch.read(0)
    for i, run in enumerate(runs):
        height, width = run.scribbles.shape
        plain = PlainNetwork(batch.parameters, i)
        output = plain.layers(torch.from_numpy(run.pixels)[None])[0].detach()
        expected = (output[FOREGROUND] - output[BACKGROUND]).sigmoid().numpy()
        padded = found[i].foreground
        assert np.abs(padded[:height, :width] - expected).max() < 1e-4


@pytest.mark.parametrize(
    ('width', 'shape'),
    [(16, SHAPE), (32, (32, 64)), (9, (25, 33)), (128, (24, 33)), (17, (24, 32))],
)
def test_companions_change_nothing(runs, width, shape):
    """Whichever way PyTorch chooses for a size, with or without numbers left over."""
    options = ClusteringOptions(width=width, min_iters=5, max_iters=12)
    together = cluster(runs, options, shape)
    backwards = cluster(runs[::-1], options, shape)[::-1]
    for run, one, other in zip(runs, together, backwards, strict=True):
        (alone,) = cluster([run], options, shape)
        for found in (one, other):
            assert found.iterations == alone.iterations
            assert found.foreground.tobytes() == alone.foreground.tobytes()
            assert np.array_equal(found.labels, alone.labels)
        assert alone.foreground.shape == run.scribbles.shape


def test_the_seed_is_the_only_chance(runs):
    options = ClusteringOptions(width=16, min_iters=3, max_iters=3)
    run = runs[0]
    other = ClusteringRun(run.pixels, run.scribbles, 99)
    one, same, different = cluster([run, run, other], options, SHAPE)
    assert one.foreground.tobytes() == same.foreground.tobytes()
    assert one.foreground.tobytes() != different.foreground.tobytes()


def test_a_network_stops_when_it_has_as_few_clusters_as_scribbles():
    """Two colours that are scribbled all over are soon two clusters; noise goes on."""
    pixels = np.where(np.arange(32) < 16, -1.0, 1.0) * np.ones((3, 24, 1))
    scribbles = np.full((24, 32), BACKGROUND, np.uint8)
    scribbles[:, 16:] = FOREGROUND
    easy = ClusteringRun(pixels.astype(np.float32), scribbles, 1)
    options = ClusteringOptions(width=16, tv_weight=0, min_iters=0, max_iters=60)
    stopped, noise = cluster([easy, make_run(24, 32, 2)], options, SHAPE)
    assert 1 < stopped.iterations < 20
    assert noise.iterations == 60
    assert set(np.unique(stopped.labels)) == {BACKGROUND, FOREGROUND}
    (late,) = cluster(
        [easy], ClusteringOptions(width=16, min_iters=50, max_iters=60), SHAPE
    )
    assert late.iterations >= 50
    assert (late.foreground[:, 20:] > 0.5).all()
    assert (late.foreground[:, :12] < 0.5).all()


def test_a_crop_of_one_colour_has_no_nan():
    run = make_run(12, 12, 0)
    flat = ClusteringRun(np.zeros_like(run.pixels), run.scribbles, 0)
    (found,) = cluster([flat], ClusteringOptions(width=12), (16, 16))
    assert np.isfinite(found.foreground).all()


def test_a_crop_that_does_not_fit_is_refused(runs):
    with pytest.raises(ValueError, match='24x32 does not fit'):
        cluster(runs, ClusteringOptions(), (16, 16))


@pytest.mark.parametrize(
    'options',
    [
        {'width': 8},
        {'lr': 0.0},
        {'momentum': 1.0},
        {'tv_weight': -1.0},
        {'min_iters': 90, 'max_iters': 80},
        {'min_iters': 0, 'max_iters': 0},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ClusteringOptions(**options)
