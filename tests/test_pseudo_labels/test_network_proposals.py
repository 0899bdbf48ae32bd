"""Proposals of networks: built strictly, run as in testing."""

from __future__ import annotations

import copy
import io
import json
import pickle

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from pycocotools import mask as mask_api

from mmdet_ovis.pseudo_labels.proposals import (
    AffinityProposals,
    DetectorProposals,
    RPNProposals,
)


@MODELS.register_module()
class BrightnessNetwork(BaseModel):
    """The affinity is the brightness of the first channel."""

    def __init__(self, test_cfg=None, **kwargs):
        super().__init__(**kwargs)
        assert not (test_cfg or {}).get('pa_to_masks')
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        for image, sample in zip(inputs, data_samples, strict=True):
            affinity = image[:1].float() / 255 * self.scale
            sample.pred_affinity = PixelData(data=affinity)
        return data_samples


GROUPING = {
    'edge_thresh': 0.0,
    'footprint_size': 10,
    'use_globalization': 0,
    'use_orientation': 1,
    'nms': 0.2,
    'filter_by_edge_thresh': 0.9,
}


@pytest.fixture
def affinity_config():
    resize = {'type': 'Resize', 'scale': (64, 64), 'keep_ratio': False}
    return Config(
        {
            'model': {'type': 'BrightnessNetwork'},
            'pa_to_masks': GROUPING,
            'test_dataloader': {
                'dataset': {
                    'pipeline': [
                        {'type': 'LoadImageFromFile'},
                        {'type': 'mmdet.LoadAnnotations', 'with_bbox': True},
                        resize,
                        {'type': 'PackDetInputs'},
                    ]
                }
            },
        }
    )


@pytest.fixture
def affinity_checkpoint(tmp_path):
    path = tmp_path / 'pa.pth'
    torch.save({'state_dict': BrightnessNetwork().state_dict()}, path)
    return path


@pytest.fixture
def squares():
    """An image of 128 x 128 with a dark frame around a square."""
    image = np.full((128, 128, 3), 230, np.uint8)
    image[30:98, 30:98] = 20
    image[34:94, 34:94] = 230
    return image


@pytest.fixture(scope='module')
def detector_config(root):
    cfg = Config.fromfile(root / 'configs/openshapes/class_agn_mask_rcnn.py')
    cfg.model.backbone.init_cfg = None
    return cfg


@pytest.fixture(scope='module')
def detector_checkpoint(detector_config, tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('detector') / 'detector.pth'
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(detector_config.model)
    torch.save({'state_dict': model.state_dict()}, path)
    return path


def test_grouped_affinity_gives_boxes_with_masks(
    affinity_config, affinity_checkpoint, squares
):
    provider = TASK_UTILS.build(
        {
            'type': 'AffinityProposals',
            'config': affinity_config,
            'checkpoint': str(affinity_checkpoint),
            'device': 'cpu',
        }
    )
    found = provider.propose(squares, 1, 'a.png')
    assert found.size == (128, 128)
    place = int(np.abs(found.boxes - [32, 32, 96, 96]).sum(axis=1).argmin())
    assert np.abs(found.boxes[place] - [32, 32, 96, 96]).max() <= 2
    mask = mask_api.decode(found.masks[place]).astype(bool)
    assert mask.shape == (128, 128)
    assert mask[34:94, 34:94].all()
    assert 60**2 <= mask.sum() <= 68**2
    x, y, w, h = mask_api.toBbox(found.masks[place])
    assert np.allclose(found.boxes[place], [x, y, x + w, y + h], atol=1)


def test_providers_travel_without_their_networks(
    affinity_config, affinity_checkpoint, squares
):
    provider = AffinityProposals(affinity_config, affinity_checkpoint, device='cpu')
    modules = set()

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            modules.add(module.partition('.')[0])
            return super().find_class(module, name)

    twin = Reader(io.BytesIO(pickle.dumps(provider))).load()
    assert 'mmdet_ovis' in modules
    assert not modules & {'torch', __name__}
    one, other = (each.propose(squares, 1, 'a.png') for each in (provider, twin))
    assert one.boxes.tobytes() == other.boxes.tobytes()
    assert twin.parameters == provider.parameters


def test_parameters_name_network_weights_and_grouping(
    affinity_config, affinity_checkpoint
):
    def parameters(**options):
        return AffinityProposals(
            affinity_config, affinity_checkpoint, device='cpu', **options
        ).parameters

    plain = parameters()
    json.dumps(plain)
    assert plain['pa_to_masks']['footprint_size'] == 10
    assert len(plain['checkpoint_sha256']) == 64
    assert parameters(pa_to_masks={'footprint_size': 5}) != plain
    assert parameters(top_k=3) != plain


def test_configs_may_be_files(affinity_config, affinity_checkpoint, tmp_path):
    path = tmp_path / 'pa.py'
    affinity_config.dump(path)
    given, read = (
        AffinityProposals(config, affinity_checkpoint, device='cpu').parameters
        for config in (affinity_config, path)
    )
    assert given == read


def test_grouping_parameters_may_stand_in_the_model(
    affinity_config, affinity_checkpoint
):
    affinity_config.model.test_cfg = {'pa_to_masks': affinity_config.pop('pa_to_masks')}
    provider = AffinityProposals(affinity_config, affinity_checkpoint, device='cpu')
    assert provider.grouping.footprint_size == 10
    assert affinity_config.model.test_cfg.pa_to_masks.footprint_size == 10


def test_an_affinity_that_is_not_finite_is_named(affinity_config, tmp_path, squares):
    path = tmp_path / 'nan.pth'
    torch.save({'state_dict': {'scale': torch.tensor([torch.nan])}}, path)
    provider = AffinityProposals(affinity_config, path, device='cpu')
    with pytest.raises(ValueError, match=r'a\.png: cannot group its affinity'):
        provider.propose(squares, 1, 'a.png')


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def test_an_rpn_proposes(detector_config, detector_checkpoint, photo):
    provider = RPNProposals(detector_config, detector_checkpoint, device='cpu', top_k=7)
    found = provider.propose(photo, 1, 'a.png')
    assert len(found) == 7
    assert found.masks is None
    assert (np.diff(found.scores) <= 0).all()
    assert found.boxes.min() >= 0
    assert (found.boxes[:, 2:] <= [120, 90]).all()
    again = provider.propose(photo, 1, 'a.png')
    assert found.boxes.tobytes() == again.boxes.tobytes()


def test_a_detector_proposes_boxes_with_masks(
    detector_config, detector_checkpoint, photo
):
    provider = DetectorProposals(
        detector_config, detector_checkpoint, device='cpu', top_k=4
    )
    found = provider.propose(photo, 1, 'a.png')
    assert 1 <= len(found) <= 4
    assert len(found.masks) == len(found)
    assert {tuple(rle['size']) for rle in found.masks} == {(90, 120)}


@pytest.mark.parametrize('provider_class', [RPNProposals, DetectorProposals])
def test_without_a_step_that_resizes_images_keep_their_size(
    provider_class, detector_config, detector_checkpoint, photo
):
    cfg = copy.deepcopy(detector_config)
    cfg.pop('test_dataloader')
    provider = provider_class(cfg, detector_checkpoint, device='cpu', top_k=4)
    found = provider.propose(photo, 1, 'a.png')
    assert 1 <= len(found) <= 4
    assert (found.boxes[:, 2:] <= [120, 90]).all()


def test_networks_of_the_wrong_kind_are_refused(
    affinity_config,
    affinity_checkpoint,
    detector_config,
    detector_checkpoint,
    squares,
    photo,
):
    with pytest.raises(ValueError, match='BrightnessNetwork has no RPN'):
        RPNProposals(affinity_config, affinity_checkpoint, device='cpu')
    provider = DetectorProposals(affinity_config, affinity_checkpoint, device='cpu')
    with pytest.raises(ValueError, match='predicts no instances'):
        provider.propose(squares, 1, 'a.png')
    provider = AffinityProposals(detector_config, detector_checkpoint, device='cpu')
    with pytest.raises(ValueError, match='MaskRCNN predicts no affinity'):
        provider.propose(photo, 1, 'a.png')


def test_files_that_do_not_fit_are_refused(
    affinity_config, affinity_checkpoint, detector_checkpoint, tmp_path
):
    with pytest.raises(ValueError, match='another model'):
        AffinityProposals(affinity_config, detector_checkpoint, device='cpu')
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        AffinityProposals(affinity_config, tmp_path / 'x.pth', device='cpu')
    with pytest.raises(FileNotFoundError, match=r'no such config: x\.py'):
        AffinityProposals('x.py', affinity_checkpoint, device='cpu')
    for text, message in (('a = 1', 'has no model'), ('a = ', 'not a valid config')):
        (tmp_path / 'c.py').write_text(text)
        with pytest.raises(ValueError, match=message):
            AffinityProposals(tmp_path / 'c.py', affinity_checkpoint, device='cpu')
    with pytest.raises(ValueError, match='join_tresh'):
        AffinityProposals(
            affinity_config, affinity_checkpoint, pa_to_masks={'join_tresh': 1}
        )
