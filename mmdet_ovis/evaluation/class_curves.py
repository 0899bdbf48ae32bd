"""Precision and recall of a class, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCO, COCOeval
from numpy.typing import NDArray

from ..utils.coco import index_coco
from .coco_objects import Detections, GroundTruth, Objects

MAX_DETS = (100, 300)
"""Detections of a class in an image that count; AP is with the first number."""


class RegionsByClass:
    """Annotations in the form that pycocotools reads, by class.

    Args:
        names (Mapping[int, str]): Classes by category id.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = names
        self.entries: dict[int, list[dict[str, Any]]] = {i: [] for i in names}

    def add(
        self,
        image_id: int,
        regions: Objects | Detections,
        areas: NDArray[np.float64],
        more: Sequence[Mapping[str, Any]],
        allowed: Collection[int],
    ) -> None:
        """Add the regions of an image that are of allowed classes.

        Args:
            image_id (int): The image.
            regions (Objects | Detections): n regions.
            areas (NDArray[np.float64]): Shape (n,).
            more (Sequence[Mapping]): n dicts of what else pycocotools has to know.
            allowed (Collection[int]): Category ids.
        """
        is_mask = isinstance(regions.shapes, list)
        shapes = regions.shapes if is_mask else regions.shapes.tolist()
        key = 'segmentation' if is_mask else 'bbox'
        columns = shapes, areas.tolist(), regions.category_ids.tolist(), more
        for shape, area, category_id, others in zip(*columns, strict=True):
            if category_id in allowed:
                entry = {'image_id': image_id, 'category_id': category_id, key: shape}
                self.entries[category_id].append({**entry, 'area': area, **others})

    def index(self, category_id: int, truth: GroundTruth) -> COCO:
        """Index those of one class.

        Ids begin with 1, whatever they are in the file: pycocotools takes an object
        with the id 0 for no object.
        """
        annotations = self.entries[category_id]
        for number, annotation in enumerate(annotations, start=1):
            annotation['id'] = number
        image_ids = dict.fromkeys(ann['image_id'] for ann in annotations)
        sizes = ((i, *truth.sizes[i]) for i in image_ids)
        content = {
            'images': [{'id': i, 'height': h, 'width': w} for i, h, w in sizes],
            'categories': [{'id': category_id, 'name': self.names[category_id]}],
            'annotations': annotations,
        }
        return index_coco(content, truth.where)


def accumulate_class(
    objects: COCO, found: COCO, iou_type: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run pycocotools on one class.

    Args:
        objects (COCO): Objects of the class.
        found (COCO): Its detections.
        iou_type (str): ``'bbox'`` or ``'segm'``.

    Returns:
        tuple[NDArray[np.float64], NDArray[np.float64]]: Precision, shape (10, 101), and
        recall, shape (10, 2), one column for each of ``MAX_DETS``; at ten IoU
        thresholds. -1 if the class has crowds only.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # it reports by print
        evaluation = COCOeval(objects, found, iou_type)
        params = evaluation.params
        params.imgIds = sorted({*objects.imgs, *found.imgs})
        params.catIds = list(objects.cats)
        params.maxDets = list(MAX_DETS)
        params.areaRng, params.areaRngLbl = [[0, 1e10]], ['all']
        evaluation.evaluate()
        evaluation.accumulate()
    # T x R x C x A x M and T x C x A x M
    return evaluation.eval['precision'][:, :, 0, 0, 0], evaluation.eval['recall'][
        :, 0, 0
    ]
