"""Why a box: activation of a word, what is left to search, and the chosen proposal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .drawing import make_panel, stack_panels
from .instances import resize_mask

_SIDE = 320  # pixels of the longer side of a picture in a panel
_COLOR, _PROPOSAL_COLOR = (255, 60, 120), (190, 190, 190)
_FONT, _FONT_SCALE, _LINE = cv2.FONT_HERSHEY_SIMPLEX, 0.45, 20


@dataclass(frozen=True, eq=False)
class ExplainedWord:
    """What is shown of a word; maps cover the whole image, whatever their size.

    Args:
        name (str): The word.
        activation (np.ndarray): (h, w) float in [0, 1].
        prompt (np.ndarray): (H, W) bool.
        box (tuple[float, float, float, float], optional): The chosen proposal, xyxy in
            pixels of the image; None if there is none.
        note (str): What is said about the box.
        p_match (tuple[float, ...]): How well image and caption match, by round of the
            search.
    """

    name: str
    activation: np.ndarray
    prompt: np.ndarray
    box: tuple[float, float, float, float] | None = None
    note: str = ''
    p_match: tuple[float, ...] = ()


def draw_activation(
    image: np.ndarray, activation: np.ndarray, alpha: float = 0.75
) -> np.ndarray:
    """Lay a heat map over an image: clear where it is low, red where it is high.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        activation (np.ndarray): (h, w) float in [0, 1].
        alpha (float): Opacity of the hottest places, in [0, 1].

    Returns:
        np.ndarray: (H, W, 3) uint8, RGB.
    """
    size = image.shape[1::-1]
    values = cv2.resize(np.float32(activation), size, interpolation=cv2.INTER_LINEAR)
    values = np.clip(values, 0, 1)
    bright = (255 * (0.1 + 0.78 * values)).astype(np.uint8)  # the ends are dark
    heat = cv2.applyColorMap(bright, cv2.COLORMAP_TURBO)
    opacity = (alpha * values)[..., None]  # what is cold stays clear
    blended = (1 - opacity) * image + opacity * heat[..., ::-1]
    return np.rint(blended).astype(np.uint8)


def draw_prompt(image: np.ndarray, prompt: np.ndarray) -> np.ndarray:
    """Outline where an object is searched, and darken the rest.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        prompt (np.ndarray): (h, w) bool.

    Returns:
        np.ndarray: (H, W, 3) uint8, RGB.
    """
    mask = resize_mask(prompt, image.shape[1::-1])
    drawn = np.where(mask[..., None], image, (0.3 * image).astype(np.uint8))
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    return cv2.drawContours(drawn, contours, -1, _COLOR, 1, cv2.LINE_AA)


def draw_box_choice(
    image: np.ndarray, proposals: np.ndarray, box: Sequence[float] | None
) -> np.ndarray:
    """Draw all proposals thin and gray, and the chosen one in colour.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        proposals (np.ndarray): (n, 4) xyxy in pixels.
        box (Sequence[float], optional): The chosen one.

    Returns:
        np.ndarray: (H, W, 3) uint8, RGB.
    """
    drawn = image.copy()
    for corners in proposals:
        _rectangle(drawn, corners, _PROPOSAL_COLOR, 1)
    drawn = cv2.addWeighted(drawn, 0.5, image, 0.5, 0)
    if box is not None:
        _rectangle(drawn, box, (0, 0, 0), 4)
        _rectangle(drawn, box, _COLOR, 2)
    return drawn


def draw_explanation(
    image: np.ndarray,
    words: Sequence[ExplainedWord],
    proposals: np.ndarray,
    header: Sequence[str] = (),
) -> np.ndarray:
    """Draw a row a word: activation, prompt, and the box among the proposals.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        words (Sequence[ExplainedWord]): At least one.
        proposals (np.ndarray): (n, 4) xyxy in pixels.
        header (Sequence[str]): Lines above the rows.

    Returns:
        np.ndarray: RGB, on white.
    """
    scale = _SIDE / max(image.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = cv2.resize(image, size, interpolation=method)
    rows = []
    for word in words:
        box = None if word.box is None else [scale * side for side in word.box]
        first = image if not rows else np.full_like(image, 255)
        pictures = [
            first,
            draw_activation(image, word.activation),
            draw_prompt(image, word.prompt),
            draw_box_choice(image, scale * proposals, box),
        ]
        match = ', '.join(f'{p:.2f}' for p in word.p_match)
        prompt = f'prompt; p(match) {match}' if match else 'prompt'
        titles = ['' if rows else 'image', word.name, prompt, word.note]
        rows.append(make_panel(pictures, titles))
    return stack_panels([_write_lines(header, rows[0].shape[1]), *rows])


def _rectangle(
    image: np.ndarray, corners: Sequence[float], color: tuple, thickness: int
) -> None:
    x1, y1, x2, y2 = (round(float(side)) for side in corners)
    cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), color, thickness)


def _write_lines(lines: Sequence[str], width: int) -> np.ndarray:
    """Write lines on white, broken where they are wider than the picture."""
    broken: list[str] = []
    for line in lines:
        current = ''
        for word in line.split(' '):
            longer = f'{current} {word}'.strip()
            if current and _text_width(longer) > width - 8:
                broken.append(current)
                longer = word
            current = longer
        broken.append(current)
    bar = np.full((_LINE * len(broken) + 4, width, 3), 255, np.uint8)
    for row, line in enumerate(broken):
        place = (4, _LINE * (row + 1) - 4)
        cv2.putText(
            bar, line, place, _FONT, _FONT_SCALE, (0, 0, 0), 1, cv2.LINE_AA
        )  # fmt: skip
    return bar


def _text_width(text: str) -> int:
    return cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0][0]
