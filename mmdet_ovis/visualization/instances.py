"""Pictures of labelled and pseudo-labelled instances, told apart by colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from .drawing import draw_masks

GROUND_TRUTH, UNSEEN, IGNORED, PSEUDO = 'ground truth', 'unseen', 'ignored', 'pseudo'
"""Kinds of instances; that of a pseudo mask is ``'pseudo (<source>)'``."""

_COLORS = {
    GROUND_TRUTH: (60, 140, 255),
    UNSEEN: (255, 120, 30),
    IGNORED: (150, 150, 150),
    f'{PSEUDO} (pa)': (235, 60, 200),
}
_OTHER_COLORS = ((250, 215, 40), (40, 210, 200), (170, 110, 255), (140, 215, 60))
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
_LINE = 18  # pixels a line of text takes


@dataclass(frozen=True)
class DrawnInstance:
    """One instance as it is to be drawn.

    Args:
        kind (str): What it is; stands in the legend.
        mask (np.ndarray, optional): (H, W) bool.
        box (tuple[float, float, float, float], optional): x1, y1, x2, y2 in pixels.
        text (str): Stands at its upper left corner.
        color (tuple[int, int, int], optional): RGB; that of its kind by default.
    """

    kind: str
    mask: np.ndarray | None = None
    box: tuple[float, float, float, float] | None = None
    text: str = ''
    color: tuple[int, int, int] | None = None


def pseudo_kind(source: str) -> str:
    """Name the kind of the pseudo masks of one source."""
    return f'{PSEUDO} ({source})'


def kind_colors(kinds: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Choose a colour for each kind.

    Ground truth and the sources that ship with this project always have the same one;
    others get theirs in the order of their names.

    Examples:
        >>> colors = kind_colors(['ground truth', 'pseudo (sam)', 'pseudo (pa)'])
        >>> colors['ground truth'], len(set(colors.values()))
        ((60, 140, 255), 3)
    """
    others = sorted({kind for kind in kinds if kind not in _COLORS})
    chosen = {
        kind: _OTHER_COLORS[i % len(_OTHER_COLORS)] for i, kind in enumerate(others)
    }
    return {kind: chosen.get(kind) or _COLORS[kind] for kind in kinds}


def draw_instances(
    image: np.ndarray, instances: Sequence[DrawnInstance], boxes: bool = False
) -> np.ndarray:
    """Draw masks, boxes and texts.

    Of masks that overlap the smaller is on top, of texts the first.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        instances (Sequence[DrawnInstance]): At the size of the image.
        boxes (bool): Draw the boxes of instances with a mask too. Instances without a
            mask always show theirs. Defaults to False.

    Returns:
        np.ndarray: (H, W, 3) uint8.
    """
    of_kind = kind_colors([instance.kind for instance in instances])
    colored = [(each, each.color or of_kind[each.kind]) for each in instances]
    masked = sorted(
        ((each.mask, color) for each, color in colored if each.mask is not None),
        key=lambda pair: np.count_nonzero(pair[0]),
    )
    drawn = draw_masks(
        image,
        [mask for mask, _ in masked],
        np.array([color for _, color in masked]),
        alpha=0.35,
    )
    for each, color in colored:
        if each.box is not None and (boxes or each.mask is None):
            x1, y1, x2, y2 = (round(side) for side in each.box)
            cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), color, 1)
    for each, color in reversed(colored):
        if each.text:
            _put_text(drawn, each, color)
    return drawn


def draw_legend(instances: Sequence[DrawnInstance], width: int) -> np.ndarray:
    """List the kinds of instances with their colours and numbers on white.

    Ground truth stands first.

    Args:
        instances (Sequence[DrawnInstance]): What was drawn.
        width (int): Of the picture below which it stands, in pixels.

    Returns:
        np.ndarray: (h, width, 3) uint8, as high as it takes.
    """
    numbers = Counter(instance.kind for instance in instances)
    colors = kind_colors(list(numbers))
    order = [GROUND_TRUTH, UNSEEN, IGNORED]
    kinds = [kind for kind in order if kind in numbers]
    kinds += sorted(kind for kind in numbers if kind not in order)
    entries = [(f'{kind}: {numbers[kind]}', colors[kind]) for kind in kinds]
    entries = entries or [('no instances', (255, 255, 255))]
    lines, x = [[]], 4
    for text, color in entries:
        length = 16 + _text_width(text) + 14
        if lines[-1] and x + length > width:
            lines.append([])
            x = 4
        lines[-1].append((x, text, color))
        x += length
    legend = np.full((_LINE * len(lines) + 4, width, 3), 255, dtype=np.uint8)
    for row, line in enumerate(lines):
        bottom = _LINE * (row + 1)
        for x, text, color in line:
            cv2.rectangle(legend, (x, bottom - 10), (x + 10, bottom), color, -1)
            cv2.putText(
                legend, text, (x + 15, bottom), _FONT, _FONT_SCALE, (0, 0, 0), 1,
                cv2.LINE_AA,
            )  # fmt: skip
    return legend


def resize_picture(
    image: np.ndarray, instances: Sequence[DrawnInstance], scale: float
) -> tuple[np.ndarray, list[DrawnInstance]]:
    """Resize an image together with its instances.

    Args:
        image (np.ndarray): (H, W, 3) uint8.
        instances (Sequence[DrawnInstance]): At its size.
        scale (float): Factor of both sides.

    Returns:
        tuple[np.ndarray, list[DrawnInstance]]: Image and instances.
    """
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = [
        replace(
            instance,
            mask=None if instance.mask is None else resize_mask(instance.mask, size),
            box=None
            if instance.box is None
            else tuple(x * scale for x in instance.box),
        )
        for instance in instances
    ]
    return cv2.resize(image, size, interpolation=method), resized


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask (H, W) to a size (width, height), bool."""
    resized = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return resized.astype(bool)


def _put_text(image: np.ndarray, instance: DrawnInstance, color: tuple) -> None:
    """Write the text of an instance on a patch of its colour, inside the image."""
    x, y = _corner(instance)
    width = _text_width(instance.text) + 4
    x = int(np.clip(x, 0, max(image.shape[1] - width, 0)))
    y = int(np.clip(y, 0, max(image.shape[0] - _LINE + 4, 0)))
    cv2.rectangle(image, (x, y), (x + width, y + _LINE - 5), color, -1)
    cv2.putText(
        image, instance.text, (x + 2, y + _LINE - 8), _FONT, _FONT_SCALE, (0, 0, 0), 1,
        cv2.LINE_AA,
    )  # fmt: skip


def _corner(instance: DrawnInstance) -> tuple[float, float]:
    if instance.mask is not None and instance.mask.any():
        rows, columns = np.nonzero(instance.mask)
        return columns[rows == rows.min()].min(), rows.min()
    return (0, 0) if instance.box is None else instance.box[:2]


def _text_width(text: str) -> int:
    return cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0][0]
