"""The provider that lets a trained network score and refine other proposals."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmdet_ovis.pseudo_labels.proposals import (
    FileProposals,
    FoundBoxes,
    GridProposals,
    WSPNProposals,
    read_proposals,
    save_proposals,
)

INPUTS = dict(type='GridProposals', top_k=30, nms_iou=None)


@pytest.fixture(scope='module')
def config(root):
    cfg = Config.fromfile(root / 'configs/ovis/wspn_r50-dc5_90k_coco-captions.py')
    cfg.model.backbone.update(
        depth=18, base_channels=4, stem_channels=4, init_cfg=None, style='pytorch'
    )
    cfg.model.roi_head.bbox_roi_extractor.out_channels = 32
    cfg.model.roi_head.bbox_head.update(
        in_channels=32, fc_out_channels=16, num_classes=3
    )
    pipeline = cfg.test_dataloader.dataset.pipeline
    pipeline[2].transforms[0].scale = (96, 64)
    return cfg


@pytest.fixture(scope='module')
def checkpoint(config, tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('wspn') / 'wspn.pth'
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model)
    model.init_weights()
    torch.nn.init.zeros_(model.roi_head.bbox_head.fc_reg.weight)
    torch.save({'state_dict': model.state_dict()}, path)
    return path


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)


def test_boxes_of_another_provider_are_scored(config, checkpoint, photo):
    """With a regression of zero they come back where they were, best first."""
    provider = TASK_UTILS.build(
        dict(
            type='WSPNProposals', config=config, checkpoint=checkpoint, inputs=INPUTS,
            device='cpu', nms_iou=None,
        )
    )  # fmt: skip
    found = provider.propose(photo, 1, 'a.png')
    given = GridProposals(top_k=30, nms_iou=None).propose(photo, 1, 'a.png').boxes
    assert 1 < len(found) <= 50
    distances = np.abs(found.boxes[:, None] - given[None]).max(axis=-1).min(axis=1)
    assert distances.max() < 1e-3
    assert (np.diff(found.scores) <= 0).all()
    assert len(set(found.scores.tolist())) > 1
    again = provider.propose(photo, 1, 'a.png')
    assert found.boxes.tobytes() == again.boxes.tobytes()


def test_no_proposals_give_none(config, checkpoint, photo, tmp_path):
    save_proposals(tmp_path / 'p.npz', {1: FoundBoxes(np.ones((0, 4)), np.ones(0))})
    inputs = dict(type='FileProposals', file=str(tmp_path / 'p.npz'))
    provider = WSPNProposals(config, checkpoint, inputs, device='cpu')
    assert len(provider.propose(photo, 1, 'a.png')) == 0
    assert len(provider.propose(photo, 2, 'b.png')) == 0


def test_parameters_hold_those_of_the_inputs(config, checkpoint):
    def parameters(**changes):
        inputs = GridProposals(**changes)
        return WSPNProposals(config, checkpoint, inputs, device='cpu').parameters

    json.dumps(parameters())
    assert parameters()['name'] == 'wspn'
    assert parameters()['top_k'] == 50
    assert parameters() == parameters()
    assert parameters(top_k=5) != parameters()


def test_it_travels_without_its_network(config, checkpoint, photo):
    provider = WSPNProposals(config, checkpoint, INPUTS, device='cpu')
    copy = pickle.loads(pickle.dumps(provider))
    assert copy._model is None
    one, other = (each.propose(photo, 1, 'a.png') for each in (provider, copy))
    assert one.boxes.tobytes() == other.boxes.tobytes()


def test_a_network_with_proposals_of_its_own_is_refused(root, tmp_path):
    cfg = Config.fromfile(root / 'configs/openshapes/class_agn_mask_rcnn.py')
    cfg.model.backbone.init_cfg = None
    with pytest.raises(ValueError, match='MaskRCNN takes no proposals; WSPNProposals'):
        WSPNProposals(cfg, tmp_path / 'any.pth', INPUTS, device='cpu')


@pytest.mark.parametrize('name', ['p.npz', 'p.json'])
def test_proposals_survive_their_file(tmp_path, name):
    boxes = np.array([[0.5, 1, 7.25, 9], [2, 2, 4, 4]], np.float32)
    found = {3: FoundBoxes(boxes, np.array([0.5, 0.25], np.float32))}
    save_proposals(tmp_path / name, found)
    read = read_proposals(tmp_path / name)
    assert list(read) == [3]
    assert read[3].boxes.tolist() == boxes.tolist()
    assert read[3].scores.tolist() == [0.5, 0.25]
    image = np.zeros((10, 10, 3), np.uint8)
    proposals = FileProposals(tmp_path / name).propose(image, 3, 'a.png')
    assert proposals.boxes.tolist() == boxes.tolist()


def test_proposals_are_written_as_npz_or_json(tmp_path):
    with pytest.raises(ValueError, match=r'p\.pkl: proposals are written as \.npz or'):
        save_proposals(tmp_path / 'p.pkl', {})
