"""Reading COCO annotation files with errors that a user can act on."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any

from mmdet.datasets.api_wrappers import COCO

from .io import read_json

_REQUIRED = ('images', 'annotations', 'categories')


def load_coco(path: str | os.PathLike) -> COCO:
    """Load a COCO annotation file.

    Args:
        path (str | PathLike): A COCO JSON file with ``images``, ``annotations`` and
            ``categories``.

    Returns:
        COCO: mmdet's wrapper of the pycocotools index.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not valid JSON or not a COCO annotation file; the
            message names the file and the key.
    """
    return index_coco(read_json(path), path)


def index_coco(dataset: Any, path: str | os.PathLike) -> COCO:
    """Index the content of a COCO annotation file.

    Args:
        dataset (Any): What should be a dict with ``images``, ``annotations`` and
            ``categories``.
        path (str | PathLike): Where it was read from, for messages.

    Returns:
        COCO: mmdet's wrapper of the pycocotools index.

    Raises:
        ValueError: If it is something else; the message names the file and the key.
    """
    if not isinstance(dataset, dict):
        raise ValueError(
            f'{path} is not a COCO annotation file: the top level is a '
            f'{type(dataset).__name__}, a dict with {", ".join(_REQUIRED)} is needed'
        )
    missing = [key for key in _REQUIRED if not isinstance(dataset.get(key), list)]
    if missing:
        raise ValueError(f'{path} is not a COCO annotation file: no list {missing}')
    coco = COCO()
    coco.dataset = dataset
    try:
        # pycocotools reports its progress by print.
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
    except (KeyError, TypeError) as error:
        raise ValueError(
            f'{path} is not a COCO annotation file: an entry lacks the key {error}'
        ) from None
    coco.img_ann_map = coco.imgToAnns
    coco.cat_img_map = coco.catToImgs
    return coco


def image_sizes(coco: COCO, path: str | os.PathLike) -> dict[int, tuple[int, int]]:
    """Height and width of each image, in pixels.

    Args:
        coco (COCO): What :func:`load_coco` returns.
        path (str | PathLike): Where it was read from, for messages.

    Returns:
        dict[int, tuple[int, int]]: By image id.

    Raises:
        ValueError: If an image does not say how large it is.
    """
    sizes = {}
    for i, image in enumerate(coco.dataset['images']):
        if 'height' not in image or 'width' not in image:
            raise ValueError(f'{path}: images[{i}] lacks height or width')
        sizes[image['id']] = (image['height'], image['width'])
    return sizes
