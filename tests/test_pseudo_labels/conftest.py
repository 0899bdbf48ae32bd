"""Masks, annotations and reference files that the tests of this room share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mmengine.logging import MMLogger
from pycocotools import mask as mask_api

SIZE = (12, 16)


def encode_box(x: int, y: int, w: int, h: int, size: tuple[int, int] = SIZE) -> dict:
    mask = np.zeros(size, np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    rle = mask_api.encode(mask)
    return {'size': list(size), 'counts': rle['counts'].decode()}


@pytest.fixture
def make_rle() -> Callable[..., dict]:
    return encode_box


@pytest.fixture
def make_annotation() -> Callable[..., dict]:
    """An annotation of the box (x=1, y=2, w=4, h=5)."""

    def make(image_id: int = 7, rank: int = 0, **changes) -> dict:
        return {
            'image_id': image_id,
            'category_id': 1,
            'segmentation': encode_box(1, 2, 4, 5),
            'bbox': [1, 2, 4, 5],
            'area': 20,
            'iscrowd': 0,
            'score': 1.5 - 0.1 * rank,
            'rank': rank,
            'gt_iou': 0.0,
            'source': 'pa',
            'pseudo': 1,
            **changes,
        }

    return make


@pytest.fixture
def log(caplog) -> Iterator[pytest.LogCaptureFixture]:
    """What the logger of mmengine says, which does not pass it on to the root."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.fixture
def write_json(tmp_path) -> Callable[[str, object], Path]:
    def write(name: str, content: object) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    return write
