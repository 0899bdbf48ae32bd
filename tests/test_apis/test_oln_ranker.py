"""OLN as a judge of candidate masks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmdet_ovis.apis import oln_ranker
from mmdet_ovis.apis.oln_ranker import OlnRanker, ranker_signature

BOXES = np.array([[10, 12, 40, 30], [0, 0, 96, 64], [70, 5, 9, 50]])
SCORES = np.array([1.8, 0.5, 1.2])


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture(scope='module')
def config(root):
    cfg = Config.fromfile(root / 'configs' / 'openshapes' / 'oln_box.py')
    cfg.model.backbone.init_cfg = None
    return cfg


@pytest.fixture(scope='module')
def checkpoint(config, tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('oln') / 'oln.pth'
    with DefaultScope.overwrite_default_scope('mmdet'):
        torch.save({'state_dict': MODELS.build(config.model).state_dict()}, path)
    return path


@pytest.fixture
def ranker(config, checkpoint):
    return OlnRanker(config, checkpoint)


@pytest.fixture
def image():
    return torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (3, 64, 96), dtype=np.uint8)
    )


def test_case_e5_the_score_is_half_of_the_own_one_and_the_judge_twice(
    ranker, image, monkeypatch
):
    roi_head, rpn_head = ranker.model.roi_head, ranker.model.rpn_head
    monkeypatch.setattr(
        roi_head, 'score_boxes', lambda x, boxes: torch.full((len(boxes[0]),), 0.36)
    )
    monkeypatch.setattr(
        rpn_head, 'score_boxes', lambda x, boxes: torch.full((len(boxes),), 0.5)
    )
    scores = ranker.rank(image, BOXES, SCORES)
    np.testing.assert_allclose(scores, SCORES / 2 + 0.6 + 0.3, atol=1e-6)
    assert scores[0] == pytest.approx(1.8)
    assert ranker.rank(image, BOXES[:0], SCORES[:0]).shape == (0,)


def test_boxes_are_judged_in_chunks_with_the_same_result(ranker, image, monkeypatch):
    expected = ranker.rank(image, BOXES, SCORES)
    assert expected.dtype == np.float64
    judged = expected - SCORES / 2
    assert ((judged > 0) & (judged < 2)).all()
    monkeypatch.setattr(oln_ranker, 'CHUNK_SIZE', 2)
    np.testing.assert_allclose(ranker.rank(image, BOXES, SCORES), expected, atol=1e-6)


def test_boxes_follow_the_image_to_another_scale(
    config, checkpoint, image, monkeypatch
):
    ranker = OlnRanker(config, checkpoint, scale=(192, 150))
    seen = {}
    rpn_head = ranker.model.rpn_head
    judge = rpn_head.score_boxes

    def score_boxes(x, boxes):
        seen['size'] = x[0].shape[-2:]
        seen['boxes'] = boxes.tolist()
        return judge(x, boxes)

    monkeypatch.setattr(rpn_head, 'score_boxes', score_boxes)
    ranker.rank(image, BOXES, SCORES)
    assert seen['size'] == (128 // 4, 192 // 4)
    assert seen['boxes'][0] == [20, 24, 100, 84]


def test_its_signature_says_what_it_depends_on(config, checkpoint):
    parameters = dict(config=config, checkpoint=checkpoint)
    signature = ranker_signature(parameters)
    assert len(signature['checkpoint_sha256']) == 64
    assert signature['scale'] is None
    assert signature['model']['rpn_head']['type'] == 'OlnRPNHead'
    assert json.loads(json.dumps(signature)) == signature
    assert ranker_signature(dict(parameters, scale=(192, 150))) != signature


def test_mistakes_are_named(config, checkpoint, root, tmp_path):
    with pytest.raises(
        ValueError, match=r"unknown: \['size'\], missing: \['checkpoint'\]"
    ):
        OlnRanker.from_dict(dict(config=config, size=3))
    with pytest.raises(ValueError, match='the config has no model'):
        OlnRanker(Config({}), checkpoint)
    with pytest.raises(ValueError, match='long side, short side'):
        OlnRanker(config, checkpoint, scale=(1333,))
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        OlnRanker(config, tmp_path / 'none.pth')
    other = Config.fromfile(root / 'configs' / 'openshapes' / 'class_agn_mask_rcnn.py')
    other.model.backbone.init_cfg = None
    with pytest.raises(ValueError, match='builds no OLN'):
        OlnRanker(other, checkpoint)
    other = Config.fromfile(root / 'configs' / 'openshapes' / 'oln_mask.py')
    other.model.backbone.init_cfg = None
    with pytest.raises(ValueError, match='checkpoint of another model'):
        OlnRanker(other, checkpoint)
