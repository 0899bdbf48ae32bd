"""What the tests of extraction extract from: tiny images, a trivial network.

The affinity is the intensity of the image. Processes of their own import this module
through ``custom_imports`` of the config.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import PixelData

from mmdet_ovis.pseudo_labels.sources import AffinitySource

N_IMAGES = 7
CHUNK_SIZE = 3
SIZES = [(64, 64), (64, 80), (72, 64)]  # height, width


@MODELS.register_module()
class IntensityAffinity(BaseModel):
    """Predict ``scale`` times the intensity; ``before`` sees every sample first."""

    before = staticmethod(lambda sample: None)

    def __init__(self, channels: int = 1, test_cfg=None, **kwargs):
        super().__init__(**kwargs)
        assert not (test_cfg or {}).get('pa_to_masks')
        self.scale = torch.nn.Parameter(torch.ones(channels))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        for image, sample in zip(inputs, data_samples, strict=True):
            type(self).before(sample)
            affinity = image[:1].float() / 255 * self.scale[0]
            sample.pred_affinity = PixelData(data=affinity)
        return data_samples


@TASK_UTILS.register_module()
class DyingSource(AffinitySource):
    """What a worker is that the system kills for lack of memory."""

    def annotate(self, evidence):
        os._exit(1)


def write_dataset(folder: Path, n_images: int = N_IMAGES) -> None:
    """Images with a bright seen square and a bright unseen bar, dark outlines."""
    folder.mkdir()
    images, annotations = [], []
    for i in range(n_images):
        height, width = SIZES[i % len(SIZES)]
        image = np.full((height, width), 230, np.uint8)
        boxes = [[4, 6 + i % 7, 20, 18], [34, 8, 24, 40]]
        for x, y, w, h in boxes:
            cv2.rectangle(image, (x - 1, y - 1), (x + w, y + h), 20, 2)
            image[y + 1 : y + h - 1, x + 1 : x + w - 1] = 230
        name = f'{i:02d}.png'
        cv2.imwrite(str(folder / name), image)
        image_id = 100 - i
        images.append(
            {'id': image_id, 'file_name': name, 'height': height, 'width': width}
        )
        for category, (x, y, w, h) in enumerate(boxes, 1):
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': image_id,
                    'category_id': category,
                    'bbox': [x, y, w, h],
                    'area': w * h,
                    'iscrowd': 0,
                    'segmentation': [[x, y, x + w, y, x + w, y + h, x, y + h]],
                }
            )
    categories = [{'id': 1, 'name': 'square'}, {'id': 2, 'name': 'bar'}]
    (folder / 'ann.json').write_text(
        json.dumps(
            {'images': images, 'annotations': annotations, 'categories': categories}
        )
    )


def make_config(folder: Path) -> Config:
    """Extract from what :func:`write_dataset` has written."""
    return Config(
        {
            'default_scope': 'mmdet',
            'custom_imports': {
                'imports': ['mmdet_ovis', 'extraction_case'],
                'allow_failed_imports': False,
            },
            'model': {'type': 'IntensityAffinity'},
            'pa_to_masks': {
                'edge_thresh': 0.0,
                'join_thresh': 1.0,
                'min_component_size': 20,
                'nms': 0.2,
                'filter_by_edge_thresh': 0.9,
                'use_orientation': 1,
                'use_globalization': 0,
                'footprint_size': 10,
            },
            'extraction': {'topk': 5},
            'test_dataloader': {
                'dataset': {
                    'type': 'CocoSplitDataset',
                    'data_root': str(folder),
                    'ann_file': 'ann.json',
                    'data_prefix': {'img': ''},
                    'is_class_agnostic': True,
                    'train_class': ['square'],
                    'filter_cfg': {'filter_empty_gt': True, 'min_size': 32},
                    'pipeline': [
                        {'type': 'LoadImageFromFile'},
                        {'type': 'PackDetInputs'},
                    ],
                }
            },
        }
    )


def write_checkpoint(path: Path) -> None:
    """Weights of the network."""
    torch.save({'state_dict': IntensityAffinity().state_dict()}, path)
