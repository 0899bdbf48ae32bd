"""What demos with words found, drawn image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from pycocotools import mask as mask_api

from ...pseudo_labels.reader import load_pseudo_annotations
from ...utils.coco import load_coco
from ...utils.image import read_image, write_image
from ...utils.io import read_json
from ...visualization.detections import draw_detections
from ...visualization.drawing import make_panel, stack_panels

_SIDE = 384
"""Shorter side of drawn images, px."""
_LEAST_SCORE = 0.3


def draw_word_demo(
    data_root: Path,
    masks: Path,
    detections: Mapping[str, Path],
    folder: Path,
    number: int = 6,
    topk: int = 8,
) -> Path:
    """Draw pseudo masks on training images, and detections on test images.

    Args:
        data_root (Path): OpenShapes.
        masks (Path): Pseudo masks with words.
        detections (Mapping[str, Path]): By title, COCO results with masks.
        folder (Path): Takes ``train_*.png``, ``val_*.png`` and an overview of either.
        number (int): Images of each.
        topk (int): Instances drawn an image; of detections only those above a score of
            0.3.

    Returns:
        Path: The folder.
    """
    pseudo = load_pseudo_annotations(masks)
    coco = load_coco(data_root / 'annotations' / 'instances_train.json')
    columns = {'pseudo masks of the captions': pseudo}
    _draw_split(coco, data_root / 'train', columns, folder, 'train', number, topk)
    coco = load_coco(data_root / 'annotations' / 'instances_val.json')
    columns = {title: _by_image(path) for title, path in detections.items()}
    _draw_split(coco, data_root / 'val', columns, folder, 'val', number, topk)
    return folder


def _draw_split(
    coco: COCO,
    images: Path,
    columns: Mapping[str, Mapping[int, Sequence[Mapping[str, Any]]]],
    folder: Path,
    split: str,
    number: int,
    topk: int,
) -> None:
    panels = []
    for image_id in sorted(coco.imgs)[:number]:
        image = read_image(images / coco.imgs[image_id]['file_name'])
        truth = [
            {**ann, 'score': 1.0, 'segmentation': coco.annToRLE(ann)}
            for ann in coco.imgToAnns[image_id]
        ]
        drawn = [_draw(image, truth, coco, topk)]
        drawn += [_draw(image, found.get(image_id, []), coco, topk)
                  for found in columns.values()]  # fmt: skip
        panel = make_panel(drawn, ['ground truth', *columns])
        write_image(folder / f'{split}_{image_id:06d}.png', panel)
        panels.append(panel)
    write_image(folder / f'{split}_overview.png', stack_panels(panels))


def _draw(
    image: np.ndarray, anns: Sequence[Mapping[str, Any]], coco: COCO, topk: int
) -> np.ndarray:
    names = {i: category['name'] for i, category in coco.cats.items()}
    places = {name: label for label, name in enumerate(names.values())}
    best = sorted(anns, key=lambda ann: -ann['score'])[:topk]
    boxes = [mask_api.toBbox(ann['segmentation']) for ann in best]
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    masks = [mask_api.decode(ann['segmentation']) > 0 for ann in best]
    return draw_detections(
        image,
        boxes,
        np.array([places[_word(ann, names)] for ann in best], np.intp),
        np.array([ann['score'] for ann in best]),
        np.array(masks).reshape(-1, *image.shape[:2]),
        list(names.values()),
        topk,
        color_by='label',
        min_side=_SIDE,
    )


def _word(ann: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """The word that an annotation was made of, else the name of its category.

    Pseudo masks number the words of captions, whatever ids the ground truth has.
    """
    return ann['word'] if 'word' in ann else names[ann['category_id']]


def _by_image(path: Path) -> dict[int, list[dict]]:
    found: dict[int, list[dict]] = {}
    for ann in read_json(path):
        if ann['score'] >= _LEAST_SCORE:
            found.setdefault(ann['image_id'], []).append(ann)
    return found
