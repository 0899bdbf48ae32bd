"""Samples that every model test needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData


@pytest.fixture(autouse=True)
def mmdet_scope() -> Iterator[None]:
    """Build from mmdet's registries, as a config with ``default_scope`` does."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def make_sample() -> Callable[..., DetDataSample]:
    """Return a function that makes one data sample.

    Its arguments are the image size (height, width), instances as boxes (x1, y1, x2,
    y2) that are filled (None: no ground truth at all), and more meta information.
    """

    def make(size, boxes=((4, 4, 20, 24), (24, 8, 36, 30)), **metainfo):
        metainfo = dict(img_shape=size, ori_shape=size, img_path='a.jpg') | metainfo
        sample = DetDataSample(metainfo=metainfo)
        if boxes is None:
            return sample
        masks = np.zeros((len(boxes), *size), dtype=np.uint8)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
            mask[y1:y2, x1:x2] = 1
        sample.gt_instances = InstanceData(
            masks=BitmapMasks(masks, *size),
            bboxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
            labels=torch.zeros(len(boxes), dtype=torch.long),
        )
        return sample

    return make
