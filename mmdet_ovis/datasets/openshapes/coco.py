"""OpenShapes in COCO format: dictionaries for the instance and caption files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils

from .captions import Mention
from .catalog import CATALOG, CATEGORY_BY_NAME
from .config import GENERATOR_VERSION, OpenShapesConfig
from .render import Rendering
from .scene import Scene


def annotate(scene: Scene, rendering: Rendering) -> list[dict[str, Any]]:
    """Describe the visible part of each sprite.

    Args:
        scene (Scene): What was painted.
        rendering (Rendering): Its picture.

    Returns:
        list[dict]: COCO annotations without ``id`` and ``image_id``, with
        ``attributes`` ``color`` and ``pattern``; one a sprite, lowest first.
    """
    annotations = []
    for index, sprite in enumerate(scene.sprites):
        rle = mask_utils.encode(np.asfortranarray(rendering.owners == index))
        annotations.append(
            {
                'category_id': CATEGORY_BY_NAME[sprite.category].id,
                'segmentation': {
                    'size': [int(side) for side in rle['size']],
                    'counts': rle['counts'].decode('ascii'),
                },
                'bbox': mask_utils.toBbox(rle).tolist(),
                'area': int(mask_utils.area(rle)),
                'iscrowd': 0,
                'attributes': {'color': sprite.color, 'pattern': sprite.pattern},
            }
        )
    return annotations


def mentions_of(scene: Scene, annotations: Sequence[dict]) -> list[Mention]:
    """What captions can say of a picture's objects.

    Args:
        scene (Scene): What was painted.
        annotations (Sequence[dict]): From :func:`annotate`.

    Returns:
        list[Mention]: One a sprite.
    """
    mentions = []
    for sprite, annotation in zip(scene.sprites, annotations, strict=True):
        x, y, w, h = annotation['bbox']
        height, width = annotation['segmentation']['size']
        center = ((x + w / 2.0) / width, (y + h / 2.0) / height)
        mentions.append(Mention(sprite.look, center))
    return mentions


def coco_files(
    config: OpenShapesConfig, split: str, records: Sequence[dict]
) -> dict[str, dict[str, Any]]:
    """Put the pictures of a split together.

    Args:
        config (OpenShapesConfig): Parameters of the dataset.
        split (str): ``'train'`` or ``'val'``.
        records (Sequence[dict]): One a picture, in order of its id: ``file_name``,
            ``annotations`` and ``captions``.

    Returns:
        dict[str, dict]: Content of the ``'instances'`` and of the ``'captions'`` file.
    """
    height, width = config.height_width
    info = {
        'description': f'OpenShapes {split}',
        'version': str(GENERATOR_VERSION),
        'seed': config.seed,
        'parameters': config.to_dict(),
    }
    images = [
        {'id': i, 'file_name': record['file_name'], 'width': width, 'height': height}
        for i, record in enumerate(records, start=1)
    ]
    captions = [
        [{'caption': text} for text in record['captions']] for record in records
    ]
    categories = [
        {'id': c.id, 'name': c.name, 'supercategory': c.supercategory} for c in CATALOG
    ]
    common = {'info': info, 'licenses': [], 'images': images}
    instances = _number([record['annotations'] for record in records])
    return {
        'instances': {**common, 'annotations': instances, 'categories': categories},
        'captions': {**common, 'annotations': _number(captions)},
    }


def _number(annotations: Sequence[Sequence[dict]]) -> list[dict[str, Any]]:
    """Give the annotations of all pictures their ids, both from 1."""
    flat = [
        (image_id, annotation)
        for image_id, of_image in enumerate(annotations, start=1)
        for annotation in of_image
    ]
    return [
        {'id': i, 'image_id': image_id, **annotation}
        for i, (image_id, annotation) in enumerate(flat, start=1)
    ]
