"""What the demo found, drawn image by image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from pycocotools import mask as mask_utils

from ...utils.coco import load_coco
from ...utils.image import read_image, write_image
from ...utils.io import read_json
from ...visualization.drawing import (
    draw_affinity,
    draw_masks,
    draw_partition,
    make_panel,
    stack_panels,
)
from ..inference.affinity_inferencer import AffinityInferencer

_SEEN_COLOR, _UNSEEN_COLOR = (60, 140, 255), (255, 120, 30)


def draw_demo(
    data_root: str | os.PathLike,
    work_dir: str | os.PathLike,
    config: str | os.PathLike,
    checkpoint: str | os.PathLike,
    detectors: Mapping[str, str],
    num_pictures: int = 6,
    topk: int = 10,
) -> Path:
    """Draw test images with affinity, partition, masks and the detectors' results.

    Args:
        data_root (str | PathLike): OpenShapes.
        work_dir (str | PathLike): Of the demo; holds ``<detector>/detections``.
        config (str | PathLike): Extraction config.
        checkpoint (str | PathLike): Pairwise affinity network.
        detectors (Mapping[str, str]): Detectors with masks, name and title.
        num_pictures (int): How many images.
        topk (int): Masks and detections drawn an image.

    Returns:
        Path: The folder with one picture an image and ``overview.png``.
    """
    work_dir, data_root = Path(work_dir), Path(data_root)
    coco = load_coco(data_root / 'annotations' / 'instances_val.json')
    detections = {
        name: _best_by_image(work_dir / name / 'detections.segm.json', topk)
        for name in detectors
    }
    inferencer = AffinityInferencer(checkpoint, config)
    folder = work_dir / 'pictures'
    panels = []
    for image_id in sorted(coco.imgs)[:num_pictures]:
        image = read_image(data_root / 'val' / coco.imgs[image_id]['file_name'])
        prediction = inferencer(image)
        grouping = prediction.grouping
        panel = make_panel(
            [
                _draw_ground_truth(image, coco, image_id),
                draw_affinity(prediction.affinity),
                draw_partition(image, grouping.labels),
                draw_masks(image, grouping.masks(topk)),
                *(
                    draw_masks(image, found.get(image_id, []))
                    for found in detections.values()
                ),
            ],
            [
                'seen (blue) unseen (orange)',
                'affinity',
                'partition',
                f'top {topk} masks of affinity',
                *(f'{title}, top {topk}' for title in detectors.values()),
            ],
        )
        write_image(folder / f'{image_id:06d}.png', panel)
        panels.append(panel)
    write_image(folder / 'overview.png', stack_panels(panels))
    return folder


def _best_by_image(path: Path, topk: int) -> dict[int, np.ndarray]:
    by_image: dict[int, list[dict]] = {}
    for detection in read_json(path):
        by_image.setdefault(detection['image_id'], []).append(detection)
    masks = {}
    for image_id, found in by_image.items():
        best = sorted(found, key=lambda detection: -detection['score'])[:topk]
        masks[image_id] = np.stack(
            [mask_utils.decode(detection['segmentation']) > 0 for detection in best]
        )
    return masks


def _draw_ground_truth(image: np.ndarray, coco: COCO, image_id: int) -> np.ndarray:
    annotations = coco.imgToAnns[image_id]
    if not annotations:
        return image
    seen = [
        coco.cats[ann['category_id']]['supercategory'] == 'seen' for ann in annotations
    ]
    colors = np.where(np.array(seen)[:, None], _SEEN_COLOR, _UNSEEN_COLOR)
    return draw_masks(image, [coco.annToMask(ann) for ann in annotations], colors)
