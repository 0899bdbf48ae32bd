"""Generation and its plain version, on a tiny network."""

from __future__ import annotations

import pytest
import torch

from mmdet_ovis.apis.benchmarks.generation import (
    PlainBlip,
    benchmark_generation,
    make_captioned_images,
)
from mmdet_ovis.apis.benchmarks.gradcam import write_random_blip
from mmdet_ovis.apis.generation import generate
from mmdet_ovis.vlm.blip import BlipMatcher


@pytest.fixture(scope='module')
def blip(tmp_path_factory):
    folder = tmp_path_factory.mktemp('blip')
    write_random_blip(folder, 'tiny')
    return folder


def test_both_ways_see_the_same(blip):
    """The full backward pass gives the same maps; it only costs more."""
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = []
    for kind in (BlipMatcher, PlainBlip):
        model = kind(blip)
        state, tokens = model.encode(pixels), model.tokenize(['a b c'])
        found.append(model.activate(state, tokens))
    words = slice(1, 4)
    assert torch.allclose(found[0].maps[:, words], found[1].maps[:, words], atol=1e-7)
    assert found[0].maps[:, words].max() > 0
    assert torch.allclose(found[0].logits, found[1].logits, atol=1e-5)


def test_all_steps_are_timed(blip, tmp_path):
    result = benchmark_generation(
        tmp_path, blip, number=1, workers=0, segmenter={'type': 'BoxSegmenter'}
    )
    steps = {'vlm', 'proposals', 'boxes', 'segmentation', 'cleaning', 'total'}
    assert steps <= set(result['generation'])
    assert steps <= set(result['plain'])
    ratio = result['plain']['total'] / result['generation']['total']
    assert result['ratio']['total'] == pytest.approx(ratio)


def test_both_ways_run_on_the_same_device(blip, tmp_path, monkeypatch):
    """Also where there is a GPU, which only one of them would take."""
    devices = []
    to = BlipMatcher.to

    def listen(self, device):
        devices.append(str(device))
        return to(self, 'cpu')

    monkeypatch.setattr(BlipMatcher, 'to', listen)
    monkeypatch.setattr(generate, 'get_device', lambda: 'cuda')
    benchmark_generation(
        tmp_path, blip, number=1, workers=0, segmenter={'type': 'BoxSegmenter'}
    )
    assert set(devices) == {'cpu'}


def test_at_least_one_image(tmp_path):
    with pytest.raises(ValueError, match='need at least one image, not 0'):
        make_captioned_images(tmp_path, 0)
