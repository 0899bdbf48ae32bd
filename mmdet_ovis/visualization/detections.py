"""Pictures of named instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import cv2
import numpy as np

from .drawing import distinct_colors
from .instances import DrawnInstance, draw_instances, resize_picture

MIN_SIDE = 640  # pixels: names stay readable on small images

_KIND = 'detection'
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5
_LINE = 18  # pixels, height of a label
_BRIGHT = 140  # luminance from which on a label is written in black

Box = tuple[int, int, int, int]


def draw_detections(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    masks: np.ndarray | None,
    names: Sequence[str],
    topk: int = 20,
    color_by: Literal['instance', 'label'] = 'instance',
    min_side: int = MIN_SIDE,
) -> np.ndarray:
    """Draw instances with their names and scores.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        boxes (np.ndarray): (n, 4) xyxy in pixels.
        labels (np.ndarray): (n,) int.
        scores (np.ndarray): (n,), best first.
        masks (np.ndarray, optional): (n, H, W) bool.
        names (Sequence[str]): Of the labels.
        topk (int): So many are drawn.
        color_by (str): ``'instance'``, or ``'label'``, which keeps the colours of a
            video steady.
        min_side (int): A smaller image is drawn larger, by a whole factor, so that its
            longer side comes close to this.

    Returns:
        np.ndarray: RGB.
    """
    boxes, labels, scores = boxes[:topk], labels[:topk], scores[:topk]
    if color_by == 'label':
        colors = distinct_colors(len(names))[labels]
    else:
        colors = distinct_colors(len(boxes))
    instances = [
        DrawnInstance(
            _KIND,
            None if masks is None else masks[i],
            tuple(boxes[i].tolist()),
            f'{names[labels[i]]} {scores[i]:.2f}',
            tuple(colors[i].tolist()),
        )
        for i in range(len(boxes))
    ]
    scale = max(1, round(min_side / max(image.shape[:2])))
    if scale > 1:
        image, instances = resize_picture(image, instances, scale)
    shapes = [replace(instance, text='') for instance in instances]
    drawn = draw_instances(image, shapes)
    for instance in reversed(instances):
        _outline(drawn, instance)
    return _write_labels(drawn, instances)


def _outline(image: np.ndarray, instance: DrawnInstance) -> None:
    """Outline a mask, or the box of an instance without one, on a dark rim."""
    if instance.mask is not None:
        contours, _ = cv2.findContours(
            instance.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
        )
    else:
        x1, y1, x2, y2 = (round(side) for side in instance.box)
        corners = [(x1, y1), (x2 - 1, y1), (x2 - 1, y2 - 1), (x1, y2 - 1)]
        contours = [np.array(corners)[:, None]]
    cv2.drawContours(image, contours, -1, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.drawContours(image, contours, -1, instance.color, 2, cv2.LINE_AA)


def _write_labels(image: np.ndarray, instances: Sequence[DrawnInstance]) -> np.ndarray:
    """Write the text of each instance where it hides no other."""
    taken: list[Box] = []
    for instance in instances:
        width = cv2.getTextSize(instance.text, _FONT, _FONT_SCALE, 1)[0][0] + 6
        place = _free_place(instance, width, image.shape[:2], taken)
        taken.append(place)
        x1, y1, x2, y2 = place
        cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), instance.color, -1)
        cv2.putText(
            image,
            instance.text,
            (x1 + 3, y2 - 5),
            _FONT,
            _FONT_SCALE,
            _ink(instance.color),
            1,
            cv2.LINE_AA,
        )
    return image


def _free_place(
    instance: DrawnInstance, width: int, size: tuple[int, int], taken: Sequence[Box]
) -> Box:
    """Find a place for a label, first above its instance, then further down.

    Where none is free, labels hide each other.
    """
    x, top = _corner(instance)
    x = int(np.clip(x, 0, max(size[1] - width, 0)))
    last = max(size[0] - _LINE, 0)
    start = int(np.clip(top - _LINE, 0, last))
    below = range(start, last + 1, _LINE)
    above = range(start - _LINE, -1, -_LINE)
    places = [(x, y, x + width, y + _LINE) for y in (*below, *above)]
    free = (p for p in places if not any(_overlap(p, other) for other in taken))
    return next(free, places[0])


def _corner(instance: DrawnInstance) -> tuple[float, float]:
    """The leftmost of the topmost pixels of a mask, or the corner of a box."""
    if instance.mask is not None and instance.mask.any():
        rows, columns = np.nonzero(instance.mask)
        return columns[rows == rows.min()].min(), rows.min()
    return instance.box[0], instance.box[1]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _ink(color: Sequence[int]) -> tuple[int, int, int]:
    """Black on bright colours, white on dark ones."""
    red, green, blue = color
    is_bright = 0.299 * red + 0.587 * green + 0.114 * blue >= _BRIGHT
    return (0, 0, 0) if is_bright else (255, 255, 255)
