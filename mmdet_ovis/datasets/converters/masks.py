"""Masks as COCO annotations, and the sizes of images."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pycocotools import mask as mask_api

from ...structures.pseudo_annotation import check_rle, is_finite_number
from ...utils.image import read_image

_RLE_KEYS = {'size', 'counts'}
_MIN_COORDINATES = 6  # of a triangle
_ORIENTATION = 0x0112
"""EXIF tag: 5 to 8 mean that rows and columns of the file change places."""


def annotate_mask(mask: NDArray[np.bool_]) -> dict[str, Any] | None:
    """Describe a mask as COCO does.

    Args:
        mask (NDArray[np.bool_]): Shape (H, W).

    Returns:
        dict[str, Any] | None: ``segmentation`` (compressed RLE), ``bbox`` (xywh) and
        ``area`` in pixels, ``iscrowd``; None if the mask is empty.

    Examples:
        >>> mask = np.zeros((4, 6), dtype=bool)
        >>> mask[1:3, 2:5] = True
        >>> annotate_mask(mask)['bbox'], annotate_mask(mask)['area']
        ([2, 1, 3, 2], 6)
    """
    if not mask.any():
        return None
    return annotate_rle(mask_api.encode(np.asfortranarray(mask, dtype=np.uint8)))


def annotate_segmentation(segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Describe polygons or an RLE as COCO does, with the box and area of the pixels.

    Args:
        segmentation (Any): What should be polygons, or an RLE with compressed or plain
            runs.
        size (tuple[int, int]): Height and width of the image.

    Returns:
        dict[str, Any]: See :func:`annotate_mask`.

    Raises:
        ValueError: With what is wrong with it: another size, damaged or empty.

    Examples:
        >>> square = [1, 2, 5, 2, 5, 6, 1, 6]
        >>> annotate_segmentation([square], (8, 8))['bbox']
        [1, 2, 4, 4]
        >>> annotate_segmentation([[1, 1]], (8, 8))
        Traceback (most recent call last):
            ...
        ValueError: polygons are not lists of at least three points
    """
    annotation = annotate_rle(encode_segmentation(segmentation, size))
    if annotation is None:
        raise ValueError('mask is empty')
    return annotation


def encode_segmentation(segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Encode polygons or any RLE as a compressed RLE.

    Raises:
        ValueError: With what is wrong with it, in a few words without numbers, so that
            faults can be counted by it.
    """
    if isinstance(segmentation, list):
        if not segmentation or not all(map(_is_polygon, segmentation)):
            raise ValueError('polygons are not lists of at least three points')
        return mask_api.merge(mask_api.frPyObjects(segmentation, *size))
    if not isinstance(segmentation, Mapping) or not segmentation.keys() >= _RLE_KEYS:
        raise ValueError('mask is neither polygons nor an RLE')
    if list(segmentation['size']) != list(size):
        raise ValueError('mask is of another size than its image')
    if isinstance(segmentation['counts'], list):
        runs = segmentation['counts']
        if not all(map(_is_run, runs)) or sum(runs) != size[0] * size[1]:
            raise ValueError('mask is damaged')
        return mask_api.frPyObjects(dict(segmentation), *size)
    try:
        check_rle(segmentation, 'mask')
    except ValueError:
        raise ValueError('mask is damaged') from None
    return dict(segmentation)


def _is_polygon(part: Any) -> bool:
    return (
        isinstance(part, list)
        and len(part) >= _MIN_COORDINATES
        and len(part) % 2 == 0
        and all(map(is_finite_number, part))
    )


def _is_run(run: Any) -> bool:
    return isinstance(run, int) and run >= 0


def annotate_rle(rle: Mapping[str, Any]) -> dict[str, Any] | None:
    """Describe a compressed RLE as COCO does.

    Args:
        rle (Mapping): With ``size`` and ``counts``.

    Returns:
        dict[str, Any] | None: See :func:`annotate_mask`.
    """
    area = int(mask_api.area(rle))
    if area == 0:
        return None
    counts = rle['counts']
    return {
        'segmentation': {
            'size': [int(side) for side in rle['size']],
            'counts': counts.decode() if isinstance(counts, bytes) else counts,
        },
        'bbox': [int(side) for side in mask_api.toBbox(rle)],
        'area': area,
        'iscrowd': 0,
    }


def read_image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Read the size that an image has once it is loaded, from its header if possible.

    Cameras store portraits sideways and say so in the EXIF header; OpenCV turns them
    while it loads. Those few images are decoded to be sure of the outcome.

    Args:
        path (str | PathLike): An image file.

    Returns:
        tuple[int, int]: Height and width in pixels.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not an image.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no such image: {path}')
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
    except UnidentifiedImageError:
        raise ValueError(f'{path} is not an image, or is damaged') from None
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f'{path} cannot be read: {error}') from None
    except (EOFError, SyntaxError, TypeError, ValueError, struct.error):
        turned = True  # The EXIF header is broken; OpenCV has the last word.
    if turned:
        height, width = read_image(path).shape[:2]
    return height, width
