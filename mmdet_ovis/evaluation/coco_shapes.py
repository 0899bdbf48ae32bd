"""Boxes and masks of COCO annotations as the arguments of pycocotools' C functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_utils

IOU_TYPES = ('bbox', 'segm')
"""Kinds of shapes that an IoU is computed on."""

Shapes = NDArray[np.float64] | list[dict[str, Any]]
"""Boxes, xywh of shape (n, 4), or n compressed RLEs."""


def read_shapes(
    annotations: Sequence[Mapping],
    iou_type: str,
    size: tuple[int, int],
    name: Callable[[int], str],
) -> Shapes:
    """Read the boxes or masks of annotations of one image.

    Args:
        annotations (Sequence[Mapping]): With ``bbox`` or ``segmentation``; where only
            the latter is given, the box is the one around the mask.
        iou_type (str): ``'bbox'`` or ``'segm'``.
        size (tuple[int, int]): Height and width of the image.
        name (Callable[[int], str]): Names the i-th annotation in messages.

    Raises:
        ValueError: If an annotation has no usable shape of that kind, or a mask of
            another size than the image.
    """
    if iou_type == 'segm':
        return [read_mask(x, size, name, i) for i, x in enumerate(annotations)]
    boxes = [
        x['bbox'] if 'bbox' in x else _box_around_mask(x, size, name, i)
        for i, x in enumerate(annotations)
    ]
    try:
        array = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    except (TypeError, ValueError, OverflowError):
        array = np.empty((0, 4))
    if len(array) != len(boxes) or not np.isfinite(array).all():
        _raise_for_bad_box(boxes, name)
    return array


def _raise_for_bad_box(boxes: list, name: Callable[[int], str]) -> None:
    for index, box in enumerate(boxes):
        try:
            good = np.shape(box) == (4,) and np.isfinite(box).all()
        except (TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(
                f"{name(index)}: 'bbox' must be four finite numbers, got {box!r}"
            )


def _box_around_mask(
    annotation: Mapping, size: tuple[int, int], name: Callable[[int], str], index: int
) -> NDArray[np.float64]:
    if 'segmentation' not in annotation:
        raise ValueError(f"{name(index)} has neither 'bbox' nor 'segmentation'")
    return mask_utils.toBbox(read_mask(annotation, size, name, index))


def read_mask(
    annotation: Mapping, size: tuple[int, int], name: Callable[[int], str], index: int
) -> dict[str, Any]:
    """Read the ``segmentation`` of an annotation as a compressed RLE.

    Args:
        annotation (Mapping): Its segmentation may be polygons, an uncompressed or a
            compressed RLE.
        size (tuple[int, int]): Height and width of the image.
        name (Callable[[int], str]): Names the annotation in messages...
        index (int): ...given this number.

    Raises:
        ValueError: If the segmentation is missing, unreadable, or of another size.
    """
    if 'segmentation' not in annotation:
        raise ValueError(f"{name(index)} has no 'segmentation'")
    segmentation = annotation['segmentation']
    if isinstance(segmentation, list):
        return _merge_polygons(segmentation, size, name(index))
    try:
        rle_size, runs = tuple(segmentation['size']), segmentation['counts']
    except (KeyError, TypeError):
        raise ValueError(
            f"{name(index)}: 'segmentation' is neither polygons nor an RLE with 'size' "
            "and 'counts'"
        ) from None
    if rle_size != size:
        raise ValueError(
            f"{name(index)}: 'segmentation' has size {list(rle_size)}, the image has "
            f'{list(size)} (height, width); resize the masks to the image first'
        )
    if isinstance(runs, list):
        return mask_utils.frPyObjects(segmentation, *size)
    return segmentation


def _merge_polygons(polygons: list, size: tuple[int, int], name: str) -> dict[str, Any]:
    try:
        return mask_utils.merge(mask_utils.frPyObjects(polygons, *size))
    except Exception as error:  # pycocotools raises bare exceptions
        raise ValueError(f"{name}: bad polygons in 'segmentation': {error}") from error


def shape_ious(
    detections: Shapes, objects: Shapes, crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the IoU of each detection with each object.

    Args:
        detections (Shapes): D boxes or masks.
        objects (Shapes): G shapes of the same kind, masks of the same size.
        crowd (NDArray[np.bool_]): Shape (G,); with a crowd region the result is the
            intersection over the area of the detection.

    Returns:
        NDArray[np.float64]: Shape (D, G).
    """
    if not len(detections) or not len(objects):
        return np.zeros((len(detections), len(objects)))
    return mask_utils.iou(detections, objects, crowd.astype(np.uint8))


def shape_areas(shapes: Shapes) -> NDArray[np.float64]:
    """Return the areas of boxes or masks, shape (n,), in square pixels."""
    if isinstance(shapes, list):
        # In parts: under NumPy 2, pycocotools fails on lists of more than 255 masks.
        parts = (shapes[i : i + 255] for i in range(0, len(shapes), 255))
        return np.concatenate([np.zeros(0), *map(mask_utils.area, parts)])
    return shapes[:, 2] * shapes[:, 3]
