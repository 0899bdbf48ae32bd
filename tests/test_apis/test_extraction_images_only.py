"""Extraction with `pa_extract_imagenet.py`, on images that have no annotations."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmengine.structures import PixelData

from mmdet_ovis.apis.extraction import extract_pseudo_labels
from mmdet_ovis.pseudo_labels.export import export_per_image
from mmdet_ovis.structures.pseudo_annotation import check_pseudo_annotation

SIZES = {3: (60, 90), 5: (90, 60), 8: (64, 64)}  # id: height, width


@MODELS.register_module()
class BrightnessAffinity(BaseModel):
    """Predict the brightness; keep the sizes of what it is given."""

    sizes: list[tuple[int, int]] = []

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        for image, sample in zip(inputs, data_samples, strict=True):
            self.sizes.append(tuple(image.shape[-2:]))
            sample.pred_affinity = PixelData(data=image[:1].float() / 255 * self.scale)
        return data_samples


@pytest.fixture
def images(tmp_path):
    """A bright square with a dark outline, in each image at the same place."""
    (tmp_path / 'n01').mkdir()
    for image_id, (height, width) in SIZES.items():
        image = np.full((height, width), 230, np.uint8)
        cv2.rectangle(image, (14, 14), (45, 45), 20, 2)
        cv2.imwrite(str(tmp_path / 'n01' / f'{image_id}.png'), image)
    content = {
        'images': [
            {'id': i, 'file_name': f'n01/{i}.png', 'height': h, 'width': w}
            for i, (h, w) in SIZES.items()
        ],
        'categories': [{'id': 1, 'name': 'object'}],
    }
    (tmp_path / 'images.json').write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def extract(images, root):
    cfg = Config.fromfile(root / 'configs/pairwise_affinity/pa_extract_imagenet.py')
    cfg.model = ConfigDict(type='BrightnessAffinity')
    cfg.pa_to_masks.use_globalization = 0
    dataset = cfg.test_dataloader.dataset
    dataset.data_root, dataset.ann_file = str(images), 'images.json'
    dataset.data_prefix = dict(img='')
    checkpoint = images / 'model.pth'
    torch.save({'state_dict': BrightnessAffinity().state_dict()}, checkpoint)

    def run(use_gt_masks):
        out = images / f'masks_{use_gt_masks}.json'
        extract_pseudo_labels(
            cfg, checkpoint, out, use_gt_masks, workers=0, device='cpu'
        )
        return out

    return run


def test_masks_at_the_original_size(extract, monkeypatch, tmp_path):
    monkeypatch.setattr(BrightnessAffinity, 'sizes', [])
    out = extract(False)
    # Scaled to fit into 640 x 400, the longer side along 640.
    assert BrightnessAffinity.sizes == [(400, 600), (600, 400), (400, 400)]
    lists = json.loads(out.read_text())
    assert len(lists) == len(SIZES)
    for (image_id, size), anns in zip(SIZES.items(), lists, strict=True):
        assert anns
        for ann in anns:
            check_pseudo_annotation(ann, str(image_id))
            assert ann['image_id'] == image_id
            assert tuple(ann['segmentation']['size']) == size
            assert ann['gt_iou'] == 0
        x, y, w, h = anns[0]['bbox']  # the square
        assert abs(x - 15) + abs(y - 15) + abs(w - 30) + abs(h - 30) <= 8
    assert export_per_image(out, tmp_path / 'per_image', list(SIZES)) == len(SIZES)


def test_nothing_to_compare_with_is_no_error(extract):
    assert json.loads(extract(True).read_text()) == json.loads(
        extract(False).read_text()
    )
