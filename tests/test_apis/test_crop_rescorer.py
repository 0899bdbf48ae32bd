"""Scores of detector and CLIP, joined."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from ov_case import DIM, picture, write_bank, write_detector

from mmdet_ovis.apis.inference.crop_rescorer import CropRescorer, crops_of
from mmdet_ovis.apis.inference.ovis_inferencer import OVISInferencer
from mmdet_ovis.apis.inference.settings import InferenceSettings
from mmdet_ovis.vlm.base import ImageState

VECTORS = torch.eye(3)
NAMES = ('cat', 'traffic cone', 'red mug')


class ColorClip:
    """Embeds a crop as its mean colour."""

    device = torch.device('cpu')
    network = SimpleNamespace(logit_scale=torch.tensor(math.log(2.0)))

    def preprocess(self, images):
        means = [image.reshape(-1, 3).mean(0) for image in images]
        return torch.tensor(np.array(means), dtype=torch.float32)

    def encode(self, pixels):
        features = torch.nn.functional.normalize(pixels, dim=1)
        return ImageState(features[:, None], (0, 0))


@pytest.fixture
def image():
    """Left colour 0, right colour 1."""
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, :20, 0] = 200
    image[:, 20:, 1] = 200
    return image


def sample_of(boxes, labels, scores):
    sample = DetDataSample(metainfo=dict(ori_shape=(20, 40)))
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor(boxes).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long),
        scores=torch.tensor(scores),
        masks=torch.zeros(len(boxes), 20, 40, dtype=torch.bool),
    )
    return sample


def test_geometric_mean(image):
    """CLIP: softmax of (2, 0, 0), the cosine times exp(logit_scale)."""
    sample = sample_of([[2.0, 2, 18, 18], [22.0, 2, 38, 18]], [1, 1], [0.5, 0.4])
    rescorer = CropRescorer(ColorClip(), ['Cat'], batch_size=1)
    found = rescorer(image, sample, NAMES, VECTORS).pred_instances
    high = math.exp(2) / (math.exp(2) + 2)
    low = 1 / (math.exp(2) + 2)
    # 'traffic cone' is no base word: 0.65. What CLIP confirms comes first now.
    expected = [0.4**0.35 * high**0.65, 0.5**0.35 * low**0.65]
    assert found.scores.tolist() == pytest.approx(expected, rel=1e-5)
    assert found.bboxes[0].tolist() == [22, 2, 38, 18]
    assert sample.pred_instances.scores.tolist() == pytest.approx([0.5, 0.4])


def test_base_words_trust_the_detector(image):
    sample = sample_of([[2.0, 2, 18, 18]], [0], [0.5])
    rescorer = CropRescorer(ColorClip(), ['Cat'])
    (score,) = rescorer(image, sample, NAMES, VECTORS).pred_instances.scores
    high = math.exp(2) / (math.exp(2) + 2)
    assert score.item() == pytest.approx(0.5**0.65 * high**0.35, rel=1e-5)


def test_nothing_to_judge(image):
    sample = sample_of([], [], [])
    result = CropRescorer(ColorClip())(image, sample, NAMES, VECTORS)
    assert len(result.pred_instances) == 0


def test_in_the_inferencer(tmp_path):
    """CLIP of the tests speaks 3 dimensions, the bank 16."""
    bank = write_bank(tmp_path / 'bank.npz')
    inferencer = OVISInferencer(
        *write_detector(tmp_path),
        bank,
        device='cpu',
        settings=InferenceSettings(score_thr=0.0, topk=5),
        rescorer=CropRescorer(ColorClip()),
    ).set_vocabulary('dog. red mug')
    with pytest.raises(ValueError, match=r'embedded in 3 dimensions, .* have 16'):
        inferencer(picture())
    inferencer.rescorer._texts = lambda vectors, dim: torch.zeros(dim, len(vectors))
    plain = inferencer.rescorer
    inferencer.rescorer = None
    before = inferencer(picture()).pred_instances
    inferencer.rescorer = plain
    after = inferencer(picture()).pred_instances
    assert after.scores.tolist() == pytest.approx(
        (before.scores**0.35 * 0.5**0.65).tolist(), rel=1e-5
    )


def test_clip_of_another_text_space_is_refused(tmp_path):
    bank = write_bank(tmp_path / 'bank.npz')
    files = write_detector(tmp_path)
    rescorer = CropRescorer(ColorClip(), model_id='some/clip')
    with pytest.raises(ValueError, match='rescorer has text vectors of model_id'):
        OVISInferencer(*files, bank, device='cpu', rescorer=rescorer)
    same = CropRescorer(ColorClip(), model_id=f'hash-{DIM}')
    OVISInferencer(*files, bank, device='cpu', rescorer=same)


def test_crops_stay_within_the_image(image):
    boxes = np.array([[-5.0, -5, 4, 4], [39.9, 19.9, 60, 60], [3.0, 3, 3, 3]])
    shapes = [crop.shape for crop in crops_of(image, boxes, 1.5)]
    assert shapes == [(7, 7, 3), (11, 6, 3), (1, 1, 3)]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(base_weight=1.5), r'base_weight and novel_weight are in \[0, 1\]'),
        (dict(novel_weight=-1), r'base_weight and novel_weight are in \[0, 1\]'),
        (dict(enlarge=0.5), 'enlarge and batch_size are at least 1'),
        (dict(batch_size=0), 'enlarge and batch_size are at least 1'),
    ],
)
def test_messages(options, message):
    with pytest.raises(ValueError, match=message):
        CropRescorer(ColorClip(), **options)
