"""Surface patterns as scalar fields over a plane.

Every family is a function of the plane's coordinates in units of its period and gives
the weight of the second colour. Fields know nothing of pixels, so a pattern keeps to
the object it is painted on when the object moves, turns or grows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .photos import load_luminance

_TURN = 2.0 * np.pi


@dataclass(frozen=True)
class Texture:
    """A pattern laid on the plane.

    Attributes:
        family (str): A name of :data:`.catalog.FAMILIES`.
        period (float): Length after which the pattern repeats, in plane units.
        angle (float): Direction of the pattern, radians.
        offset (tuple[float, float]): Shift, in periods.
        seed (int): Source of the noise of the families that have some.
    """

    family: str
    period: float
    angle: float
    offset: tuple[float, float]
    seed: int


def texture_field(texture: Texture, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Evaluate a pattern.

    Args:
        texture (Texture): The pattern.
        x (np.ndarray): Horizontal plane coordinates, any shape of two axes.
        y (np.ndarray): Vertical plane coordinates, same shape.

    Returns:
        np.ndarray: float32 of the same shape, in [0, 1]: weight of the second colour.
    """
    cos, sin = np.cos(texture.angle), np.sin(texture.angle)
    p = ((cos * x + sin * y) / texture.period + texture.offset[0]).astype(np.float32)
    q = ((cos * y - sin * x) / texture.period + texture.offset[1]).astype(np.float32)
    return _FIELDS[texture.family](p, q, texture.seed)


def _soft_step(wave: np.ndarray, sharpness: float = 3.0) -> np.ndarray:
    """Turn a wave in [-1, 1] into bands in [0, 1] with short ramps between them."""
    return np.clip(0.5 + 0.5 * sharpness * wave, 0.0, 1.0)


def _plain(p: np.ndarray, q: np.ndarray, seed: int) -> np.ndarray:
    return np.zeros_like(p)


def _striped(p: np.ndarray, q: np.ndarray, seed: int) -> np.ndarray:
    return _soft_step(np.sin(_TURN * p))


def _checkered(p: np.ndarray, q: np.ndarray, seed: int) -> np.ndarray:
    return _soft_step(np.sin(np.pi * p) * np.sin(np.pi * q), 5.0)


def _hatched(p: np.ndarray, q: np.ndarray, seed: int) -> np.ndarray:
    lines = np.maximum(np.sin(1.5 * _TURN * p), np.sin(1.5 * _TURN * q))
    return _soft_step(lines - 0.5, 2.0)


def _dotted(p: np.ndarray, q: np.ndarray, seed: int) -> np.ndarray:
    return _soft_step(0.5 * (np.cos(_TURN * p) + np.cos(_TURN * q)) - 0.25, 4.0)


def _wavy(p: np.ndarray, q: np.ndarray, seed: int) -> np.ndarray:
    return _soft_step(np.sin(_TURN * (p + 0.3 * np.sin(0.5 * _TURN * q))))


def _zigzag(p: np.ndarray, q: np.ndarray, seed: int) -> np.ndarray:
    triangle = np.abs(2.0 * (0.7 * q - np.floor(0.7 * q)) - 1.0)
    return _soft_step(np.sin(_TURN * (p + triangle)))


def _faded(p: np.ndarray, q: np.ndarray, seed: int) -> np.ndarray:
    # A fade is wide: one period of it spans several of any other pattern.
    return 0.5 + 0.5 * np.sin(0.15 * _TURN * p)


def _marbled(p: np.ndarray, q: np.ndarray, seed: int) -> np.ndarray:
    noise = _sample(_noise_tile(seed), 20.0 * p, 20.0 * q, cv2.BORDER_WRAP)
    return 0.5 + 0.5 * np.sin(_TURN * (0.4 * p + 1.5 * noise))


def _photographed(name: str, texels: float) -> Callable[..., np.ndarray]:
    """A family that is cut from a photograph; one period spans ``texels``."""

    def field(p: np.ndarray, q: np.ndarray, seed: int) -> np.ndarray:
        tile = load_luminance(name)
        start = np.random.default_rng(seed).uniform(0.0, min(tile.shape), 2)
        p = texels * p + np.float32(start[0])
        q = texels * q + np.float32(start[1])
        return _sample(tile, p, q, cv2.BORDER_REFLECT_101)

    return field


def _sample(tile: np.ndarray, x: np.ndarray, y: np.ndarray, border: int) -> np.ndarray:
    # The coordinate arrays are wrapped here: OpenCV keeps them in 16 bits.
    height, width = tile.shape
    x, y = np.mod(x, 2.0 * width), np.mod(y, 2.0 * height)
    return cv2.remap(tile, x, y, cv2.INTER_LINEAR, borderMode=border)


@functools.lru_cache(maxsize=64)
def _noise_tile(seed: int, side: int = 96) -> np.ndarray:
    """Smooth noise in [0, 1], float32 (side, side), that repeats without a seam."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side), dtype=np.float32)
    for octave, cells in enumerate((6, 12, 24)):
        grid = rng.random((cells, cells), dtype=np.float32)
        padded = np.pad(grid, 2, mode='wrap')
        scale = side // cells
        size = (cells + 4) * scale
        big = cv2.resize(padded, (size, size), interpolation=cv2.INTER_CUBIC)
        inner = slice(2 * scale, 2 * scale + side)
        total += big[inner, inner] * 0.5**octave
    low, high = float(total.min()), float(total.max())
    return (total - low) / (high - low)


_FIELDS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    'plain': _plain,
    'striped': _striped,
    'checkered': _checkered,
    'marbled': _marbled,
    'brick': _photographed('brick.png', 22.0),
    'pebbled': _photographed('gravel.png', 12.0),
    'hatched': _hatched,
    'faded': _faded,
    'dotted': _dotted,
    'wavy': _wavy,
    'zigzag': _zigzag,
    'grassy': _photographed('grass.png', 14.0),
    'starry': _photographed('hubble_deep_field.jpg', 16.0),
    'scribbled': _photographed('text.png', 12.0),
}
