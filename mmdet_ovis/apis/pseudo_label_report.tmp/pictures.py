"""Mosaics of images with their pseudo labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from pycocotools import mask as mask_api

from ..structures.pseudo_annotation import RLE, PseudoAnnotation
from ..visualization.drawing import draw_masks, make_panel, stack_panels
from .pseudo_label_report_inputs import ReportInputs
from .pseudo_label_report_quality import ImageQuality

COLORS = {
    'seen': (60, 140, 255),
    'unseen': (255, 120, 30),
    'object': (255, 120, 30),
    'repeat': (190, 90, 220),
    'crowd': (130, 130, 130),
    'nothing': (225, 30, 50),
}
"""RGB of what a mask shows."""

_SIDE = 300
"""Longest side of an image in a mosaic, in pixels."""

_COLUMNS = 4
"""Pictures beside each other."""


def rank_images(
    by_image: Mapping[int, Sequence[PseudoAnnotation]],
    qualities: Mapping[int, ImageQuality],
) -> dict[int, float]:
    """Give each image with masks a value, best first.

    Args:
        by_image (Mapping): Masks of each image.
        qualities (Mapping[int, ImageQuality]): How they fit the objects; empty without
            ground truth.

    Returns:
        dict[int, float]: Mean over the objects of the best IoU with a mask, for images
        that have objects; without ground truth the mean score. Equal values by image
        id.
    """
    parts = {
        image_id: qualities[image_id].object_ious
        if qualities
        else [ann['score'] for ann in anns]
        for image_id, anns in by_image.items()
    }
    values = {i: float(np.mean(part)) for i, part in parts.items() if len(part)}
    return dict(sorted(values.items(), key=lambda item: (-item[1], item[0])))


def choose_images(ranked: Sequence[int], number: int) -> dict[str, list[int]]:
    """Choose the best, those in the middle, and the worst images.

    Args:
        ranked (Sequence[int]): Image ids, best first.
        number (int): How many of each.

    Returns:
        dict[str, list[int]]: ``best``, ``median`` and ``worst``, the last from the
        worst on. If there are few images, they come in several of them.

    Examples:
        >>> choose_images([4, 8, 2, 9, 7], 2)
        {'best': [4, 8], 'median': [8, 2], 'worst': [7, 9]}
    """
    middle = max(0, (len(ranked) - number) // 2)
    return {
        'best': list(ranked[:number]),
        'median': list(ranked[middle : middle + number]),
        'worst': list(ranked[::-1][:number]),
    }


def draw_mosaic(
    image_ids: Sequence[int],
    inputs: ReportInputs,
    qualities: Mapping[int, ImageQuality],
    max_masks: int,
) -> np.ndarray:
    """Draw images with their masks, and with ground truth beside its objects.

    Args:
        image_ids (Sequence[int]): Which images.
        inputs (ReportInputs): Their masks and files.
        qualities (Mapping[int, ImageQuality]): How the masks fit the objects; empty
            without ground truth.
        max_masks (int): Masks an image, best rank first.

    Returns:
        np.ndarray: RGB, (H, W, 3) uint8. Images that are missing are gray.
    """
    tiles = []
    for image_id in image_ids:
        height, width = inputs.by_image[image_id][0]['segmentation']['size']
        image = _shrink(inputs.images.read(image_id, (height, width)))
        if inputs.ground_truth:
            tiles.append(_draw_truth(image, image_id, inputs))
        tiles.append(_draw_labels(image, image_id, inputs, qualities, max_masks))
    height = max(picture.shape[0] for picture, _ in tiles)
    width = max(picture.shape[1] for picture, _ in tiles)
    tiles = [(_pad(picture, height, width), title) for picture, title in tiles]
    rows = [tiles[i : i + _COLUMNS] for i in range(0, len(tiles), _COLUMNS)]
    return stack_panels([make_panel(*zip(*row, strict=True)) for row in rows])


def _draw_truth(
    image: np.ndarray, image_id: int, inputs: ReportInputs
) -> tuple[np.ndarray, str]:
    objects = inputs.ground_truth.objects(image_id, 'segm')
    seen = inputs.splits.get('seen', ())
    names = np.where(np.isin(objects.category_ids, list(seen)), 'seen', 'unseen')
    names[objects.crowd] = 'crowd'
    drawn = _draw(image, objects.shapes, names.tolist())
    return drawn, f'image {image_id}, {len(names)} objects'


def _draw_labels(
    image: np.ndarray,
    image_id: int,
    inputs: ReportInputs,
    qualities: Mapping[int, ImageQuality],
    max_masks: int,
) -> tuple[np.ndarray, str]:
    anns = inputs.by_image[image_id]
    rles = [ann['segmentation'] for ann in anns[:max_masks]]
    number = f'{len(rles)} of {len(anns)}' if len(rles) < len(anns) else len(anns)
    if not qualities:
        score = np.mean([ann['score'] for ann in anns])
        masks = _decode(rles, image.shape[:2])
        return draw_masks(
            image, masks
        ), f'{image_id}: {number} masks, score {score:.2f}'
    quality = qualities[image_id]
    drawn = _draw(image, rles, quality.outcomes[:max_masks])
    return drawn, f'{number} masks, IoU {quality.object_ious.mean():.2f}'


def _draw(
    image: np.ndarray, rles: Sequence[RLE], outcomes: Sequence[str]
) -> np.ndarray:
    """Draw masks by what they show, small ones on top; those of nothing are pale."""
    order = np.argsort([int(mask_api.area(rle)) for rle in rles], kind='stable')
    for nothing, alpha in ((True, 0.2), (False, 0.5)):
        chosen = [i for i in order if (outcomes[i] == 'nothing') == nothing]
        masks = _decode([rles[i] for i in chosen], image.shape[:2])
        colors = [COLORS[outcomes[i]] for i in chosen]
        image = draw_masks(image, masks, colors, alpha)
    return image


def _shrink(image: np.ndarray) -> np.ndarray:
    scale = _SIDE / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _decode(rles: Sequence[RLE], size: tuple[int, int]) -> list[np.ndarray]:
    return [
        cv2.resize(
            mask_api.decode(rle), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT
        ).astype(bool)
        for rle in rles
    ]


def _pad(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    below, beside = height - picture.shape[0], width - picture.shape[1]
    return np.pad(picture, ((0, below), (0, beside), (0, 0)), constant_values=255)
