"""Extraction with OLN as a judge of the candidates."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmdet_ovis.apis.inference.affinity_inferencer import AffinityInferencer
from mmdet_ovis.apis.oln_ranker import OlnRanker
from mmdet_ovis.pseudo_labels import SignatureMismatchError


@pytest.fixture(scope='module')
def oln(root, tmp_path_factory):
    """Config and checkpoint of an untrained OLN."""
    folder = tmp_path_factory.mktemp('oln')
    cfg = Config.fromfile(root / 'configs' / 'openshapes' / 'oln_box.py')
    cfg.model.backbone.init_cfg = None
    cfg.dump(folder / 'oln.py')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    torch.save({'state_dict': model.state_dict()}, folder / 'oln.pth')
    return dict(config=str(folder / 'oln.py'), checkpoint=str(folder / 'oln.pth'))


@pytest.fixture
def ranked(config, oln):
    config.pa_to_masks.oln_ranker = oln
    return config


@pytest.mark.parametrize('workers', [1, 2])
def test_any_number_of_workers_gives_the_same_bytes(extract, ranked, tmp_path, workers):
    here, there = tmp_path / 'here.json', tmp_path / 'there.json'
    summary = extract(out=here)
    extract(out=there, workers=workers)
    assert here.read_bytes() == there.read_bytes()
    assert summary.seconds['ranking'] > 0


def test_masks_stand_in_the_order_of_the_judge(extract, ranked, out, monkeypatch):
    """A judge that likes what lies to the right prefers the bar to the square."""
    monkeypatch.setattr(
        OlnRanker, 'rank', lambda self, image, boxes, scores: boxes[:, 0] / 10
    )
    extract()
    for anns in json.loads(out.read_text()):
        scores = [ann['score'] for ann in anns]
        assert scores == sorted(scores, reverse=True)
        assert anns[0]['bbox'][0] == max(ann['bbox'][0] for ann in anns)
        assert anns[0]['score'] == pytest.approx(anns[0]['bbox'][0] / 10)


def test_the_judge_sees_the_image_of_its_candidates(extract, ranked, monkeypatch):
    sizes = []

    def rank(self, image, boxes, scores):
        assert image.dtype == torch.uint8
        sizes.append(tuple(image.shape))
        extents = boxes[:, :2] + boxes[:, 2:]
        assert (extents <= [image.shape[2], image.shape[1]]).all()
        return np.zeros(len(boxes))

    monkeypatch.setattr(OlnRanker, 'rank', rank)
    extract(workers=1)
    assert sizes == [(3, 64, 64), (3, 64, 80), (3, 72, 64)] * 2 + [(3, 64, 64)]


def test_another_judge_is_another_run(extract, ranked, oln, tmp_path):
    extract()
    ranked.pa_to_masks.oln_ranker.scale = (128, 128)
    with pytest.raises(SignatureMismatchError, match=r'oln_ranker\.scale: null there'):
        extract()
    ranked.pa_to_masks.oln_ranker = None
    with pytest.raises(SignatureMismatchError, match='oln_ranker'):
        extract()


def test_mistakes_are_named_before_any_work(extract, ranked, before, tmp_path):
    before(lambda sample: pytest.fail('predicted'))
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        extract(cfg_options={'pa_to_masks.oln_ranker.checkpoint': 'none.pth'})
    with pytest.raises(ValueError, match=r"unknown: \['size'\]"):
        extract(cfg_options={'pa_to_masks.oln_ranker.size': 3})
    with pytest.raises(ValueError, match="type 'AfinitySource' is not registered"):
        extract(cfg_options={'extraction.type': 'AfinitySource'})
    masks = tmp_path / 'results.json'
    masks.write_text('[]')
    ranked.extraction = dict(type='FileSource', file=str(masks))
    with pytest.raises(ValueError, match='FileSource has none'):
        extract()


def test_one_photograph_is_judged_too(root, oln, tmp_path, monkeypatch):
    cfg = Config.fromfile(root / 'configs' / 'openshapes' / 'pa_extract.py')
    cfg.model.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'pa.pth')
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    plain = AffinityInferencer(tmp_path / 'pa.pth', cfg, 'cpu')(image).grouping
    cfg.pa_to_masks.oln_ranker = oln
    monkeypatch.setattr(
        OlnRanker, 'rank', lambda self, image, boxes, scores: 3.0 - scores
    )
    judged = AffinityInferencer(tmp_path / 'pa.pth', cfg, 'cpu')(image).grouping
    assert len(plain)
    assert len(judged)
    assert judged.scores[0] >= 3.0 - plain.scores.min()
