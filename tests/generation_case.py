"""Images with squares, captions about them, and a model that sees colours."""

from __future__ import annotations

import json

import cv2
import numpy as np
from mmdet.registry import MODELS
from mmengine.config import Config
from vlm_stub import COLORS, ColorMatcher

from mmdet_ovis.apis.generation import generate_pseudo_masks

CHUNK_SIZE = 3
SIZE = (60, 80)
SQUARES = {
    1: {'red': (8, 10, 32, 34), 'blue': (44, 20, 68, 44)},
    2: {'green': (10, 12, 40, 42)},
    4: {'red': (30, 20, 60, 50), 'green': (4, 4, 24, 24)},
    5: {'blue': (20, 16, 50, 46)},
    7: {'red': (6, 6, 30, 30)},
    8: {'green': (40, 10, 70, 40), 'blue': (6, 20, 30, 44)},
    9: {'red': (20, 10, 56, 46)},
}
"""x1, y1, x2, y2 by colour and image; image 7 is captioned without a known word."""
CAPTIONS = {
    1: ['A red square, and a blue one.', 'Something red.'],
    2: ['Green!'],
    4: ['A green thing left of a red thing.'],
    5: ['The blue square.'],
    7: ['Nothing to see here.'],
    8: ['Blue and green and red.'],  # there is no red
    9: ['All red.'],
}


def make_dataset(folder) -> None:
    images, annotations = [], []
    for image_id, squares in SQUARES.items():
        image = np.full((*SIZE, 3), 128, np.uint8)
        for name, (x1, y1, x2, y2) in squares.items():
            image[y1:y2, x1:x2] = [round(255 * c) for c in COLORS[name][::-1]]
        cv2.imwrite(str(folder / f'{image_id}.png'), image)
        images.append(
            {
                'id': image_id,
                'file_name': f'{image_id}.png',
                'height': SIZE[0],
                'width': SIZE[1],
            }
        )
        for caption in CAPTIONS[image_id]:
            annotations.append(
                {'id': len(annotations), 'image_id': image_id, 'caption': caption}
            )
    content = {'images': images, 'annotations': annotations}
    (folder / 'captions.json').write_text(json.dumps(content))


def make_config(folder, **changes) -> Config:
    MODELS.register_module(module=ColorMatcher, force=True)
    cfg = Config(
        dict(
            vlm=dict(type='ColorMatcher', image_size=64, grid=16),
            vocabulary=['red', 'green', 'blue'],
            captions=dict(ann_file=str(folder / 'captions.json'), img_dir=str(folder)),
            # A colour is an adjective; these captions use it as a name.
            parser=dict(match='first'),
            search=dict(rounds=2, batch_size=4),
            source=dict(
                type='GradCamSource',
                segmenter=dict(type='BoxSegmenter'),
                proposals=dict(type='GridProposals', stride=0.15),
            ),
            batch_size=2,
        )
    )
    cfg.merge_from_dict(changes)
    return cfg


def generate(folder, out, changes=None, **options):
    options = {'workers': 0, 'chunk_size': CHUNK_SIZE, 'device': 'cpu', **options}
    return generate_pseudo_masks(make_config(folder, **(changes or {})), out, **options)
