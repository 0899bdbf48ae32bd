"""Masks of labelled instances, in the encoding in which pseudo masks come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pycocotools import mask as mask_api

from .pseudo_annotation import RLE


def seen_rles(
    instances: Sequence[Mapping[str, Any]], size: tuple[int, int]
) -> list[RLE]:
    """Encode the instances that a pseudo mask is compared with.

    Args:
        instances (Sequence[Mapping]): As mmdet's datasets hold them.
        size (tuple[int, int]): Height and width of the image.

    Returns:
        list[RLE]: Those with a mask, without crowds and unseen classes.

    Examples:
        >>> square = [2, 1, 4, 1, 4, 3, 2, 3]
        >>> instances = [{'mask': [square], 'ignore_flag': 0}, {'ignore_flag': 1}]
        >>> [int(mask_api.area(rle)) for rle in seen_rles(instances, (8, 8))]
        [4]
    """
    rles = []
    for instance in instances:
        if instance['ignore_flag'] or not instance.get('is_seen', True):
            continue
        mask = instance.get('mask')
        if isinstance(mask, list):
            mask = [part for part in mask if len(part) >= 6 and len(part) % 2 == 0]
        if not mask:
            continue
        rle = mask_api.frPyObjects(mask, *size) if _is_drawn(mask) else mask
        rles.append(mask_api.merge(rle) if isinstance(rle, list) else rle)
    return rles


def _is_drawn(mask: Any) -> bool:
    """Tell polygons and uncompressed runs from compressed ones."""
    return isinstance(mask, list) or isinstance(mask['counts'], list)
