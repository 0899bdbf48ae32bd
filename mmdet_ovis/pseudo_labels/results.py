"""Masks that another tool made: COCO results as pseudo annotations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pycocotools import mask as mask_api

from ..structures.instance_masks import seen_rles
from ..structures.pseudo_annotation import (
    RLE,
    PseudoAnnotation,
    check_rle,
    is_finite_number,
)

SOURCE = 'file'
"""What stands under ``source`` where the results do not say it."""

Entry = tuple[str, Mapping[str, Any]]
"""Where something stands, for messages, and what stands there."""

Size = tuple[int, int]


def rank_results(
    entries: Sequence[Entry], size: Size | None
) -> list[tuple[str, PseudoAnnotation]]:
    """Turn the results of one image into pseudo annotations.

    Ranks follow the score, the first of equals first. Masks without a pixel are left
    out. ``bbox`` and ``area`` are those of the mask where they are absent,
    ``category_id`` is 1, and ``gt_iou`` is None: nobody has compared yet.

    Args:
        entries (Sequence[Entry]): Each with ``image_id``, ``segmentation`` and a
            finite ``score``.
        size (tuple[int, int], optional): Height and width of the image; needed for
            polygons.

    Returns:
        list[tuple[str, PseudoAnnotation]]: Best first.

    Raises:
        ValueError: If a key is missing or wrong; the message names the place.

    Examples:
        >>> corner = {'size': [4, 4], 'counts': '02>'}  # two pixels
        >>> result = {'image_id': 7, 'segmentation': corner, 'score': 0.5}
        >>> ((_, ann),) = rank_results([('dt.json[0]', result)], None)
        >>> ann['rank'], ann['bbox'], ann['area'], ann['gt_iou']
        (0, [0.0, 0.0, 1.0, 2.0], 2, None)
    """
    for where, result in entries:
        _check_result(result, where)
    best_first = sorted(entries, key=lambda entry: -entry[1]['score'])
    ranked: list[tuple[str, PseudoAnnotation]] = []
    for where, result in best_first:
        rle = compress_mask(result['segmentation'], size, where)
        area = int(mask_api.area(rle))
        if not area:
            continue
        ann: PseudoAnnotation = {
            'category_id': 1,
            'bbox': mask_api.toBbox(rle).tolist(),
            'area': area,
            'gt_iou': None,
            'source': SOURCE,
            **result,
            'segmentation': rle,
            'rank': len(ranked),
        }
        ranked.append((where, ann))
    return ranked


def compress_mask(segmentation: Any, size: Size | None, where: str) -> RLE:
    """Bring polygons or an RLE to the form that JSON files hold.

    Args:
        segmentation (Any): Polygons, an uncompressed or a compressed RLE.
        size (tuple[int, int], optional): Height and width of the image.
        where (str): Place for the message.

    Returns:
        RLE: Compressed.

    Raises:
        ValueError: If it is none of these, or polygons of an image whose size is
            unknown.
    """
    if isinstance(segmentation, list):
        if size is None:
            raise ValueError(
                f"{where}: key 'segmentation' holds polygons, and nothing here says "
                'how large the image is; tools/merge_annotations.py --ref makes masks '
                'of them'
            )
        _check_polygons(segmentation, where)
    elif _is_uncompressed(segmentation):
        size = tuple(segmentation['size'])
        _check_runs(segmentation, where)
    else:
        check_rle(segmentation, where)
        return segmentation
    drawn = seen_rles([{'mask': segmentation, 'ignore_flag': 0}], size)
    if not drawn:  # no polygon has three corners
        empty = {'size': list(size), 'counts': [math.prod(size)]}
        drawn = [mask_api.frPyObjects(empty, *size)]
    return {'size': list(size), 'counts': drawn[0]['counts'].decode()}


def _check_result(result: Mapping[str, Any], where: str) -> None:
    for key in ('segmentation', 'score'):
        if key not in result:
            raise ValueError(
                f"{where}: key '{key}' is missing; a COCO result has image_id, "
                'segmentation and score'
            )
    score = result['score']
    if not is_finite_number(score):
        raise ValueError(
            f"{where}: key 'score' is {score!r}; it must be a finite number"
        )


def _check_polygons(polygons: list, where: str) -> None:
    for polygon in polygons:
        if not isinstance(polygon, list) or not all(map(is_finite_number, polygon)):
            raise ValueError(
                f"{where}: key 'segmentation' is a list, but not one of polygons "
                '[x1, y1, x2, y2, ...]'
            )


def _is_uncompressed(segmentation: Any) -> bool:
    """Tell an RLE of plain numbers; the check of compressed ones judges the rest."""
    if not isinstance(segmentation, Mapping):
        return False
    size = segmentation.get('size')
    return (
        isinstance(segmentation.get('counts'), list)
        and isinstance(size, list)
        and len(size) == 2
        and all(type(side) is int and side > 0 for side in size)
    )


def _check_runs(rle: Mapping[str, Any], where: str) -> None:
    runs, pixels = rle['counts'], math.prod(rle['size'])
    whole = all(type(run) is int and run >= 0 for run in runs)
    if not whole or sum(runs) != pixels:
        raise ValueError(
            f"{where}: key 'segmentation.counts' is not a list of runs that make up "
            f'the {pixels} pixels of size {rle["size"]}'
        )
