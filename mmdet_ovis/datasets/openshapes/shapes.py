"""Outlines: one parametric family of closed contours a category.

An outline is a tuple of contours, each float64 (n, 2) in local coordinates (x right,
y down), filled by the even-odd rule, with a bounding box that is centred at the
origin and whose longer side is 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Outline = tuple[np.ndarray, ...]
_EDGE_POINTS = 10
_ARC_POINTS = 72


def sample_outline(
    category: str, rng: np.random.Generator, deformation: float = 0.05
) -> Outline:
    """Draw an outline of a category; no two are equal.

    Args:
        category (str): A name of :data:`.catalog.CATEGORIES`.
        rng (np.random.Generator): Source of the shape parameters.
        deformation (float): Amplitude of the smooth warp, in local units.

    Returns:
        tuple[np.ndarray, ...]: Contours, each (n, 2) float64 inside [-1, 1].

    Raises:
        KeyError: If no category has this name.
    """
    outline = _SHAPES[category](rng)
    return _normalize(_warp(outline, rng, deformation))


def _warp(outline: Outline, rng: np.random.Generator, amplitude: float) -> Outline:
    """Move all points by a smooth vector field of two plane waves an axis."""
    waves = rng.normal(0.0, 1.6, (2, 2, 2))  # axis, wave, (x, y) wave vector
    phases = rng.uniform(0.0, 2.0 * np.pi, (2, 2))
    warped = []
    for contour in outline:
        phase = np.einsum('awk,nk->naw', waves, contour) + phases
        warped.append(contour + amplitude * np.sin(phase).sum(axis=2))
    return tuple(warped)


def _normalize(outline: Outline) -> Outline:
    points = np.concatenate(outline)
    low, high = points.min(axis=0), points.max(axis=0)
    half = (high - low).max() / 2.0
    return tuple((contour - (low + high) / 2.0) / half for contour in outline)


def _densify(corners: Sequence[Sequence[float]]) -> np.ndarray:
    """Insert points on straight edges, so that the warp can bend them."""
    start = np.asarray(corners, dtype=np.float64)
    end = np.roll(start, -1, axis=0)
    steps = np.arange(_EDGE_POINTS)[None, :, None] / _EDGE_POINTS
    return (start[:, None] + (end - start)[:, None] * steps).reshape(-1, 2)


def _polar(angles: np.ndarray, radii: np.ndarray | float) -> np.ndarray:
    return np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1)


def _full_turn(count: int = _ARC_POINTS) -> np.ndarray:
    return np.arange(count) * (2.0 * np.pi / count)


def _regular(corners: int) -> np.ndarray:
    return _densify(_polar(_full_turn(corners), 1.0))


def _disc(rng: np.random.Generator) -> Outline:
    return (_polar(_full_turn(), 1.0),)


def _square(rng: np.random.Generator) -> Outline:
    return (_regular(4),)


def _triangle(rng: np.random.Generator) -> Outline:
    return (_regular(3),)


def _hexagon(rng: np.random.Generator) -> Outline:
    return (_regular(6),)


def _star(rng: np.random.Generator) -> Outline:
    radii = np.tile([1.0, rng.uniform(0.4, 0.5)], 5)
    return (_densify(_polar(_full_turn(10), radii)),)


def _ring(rng: np.random.Generator) -> Outline:
    circle = _polar(_full_turn(), 1.0)
    return (circle, circle * rng.uniform(0.45, 0.6))


def _heart(rng: np.random.Generator) -> Outline:
    t = _full_turn()
    x = 16.0 * np.sin(t) ** 3
    y = -13.0 * np.cos(t) + 5.0 * np.cos(2 * t) + 2.0 * np.cos(3 * t) + np.cos(4 * t)
    return (np.stack([x, y], axis=1) / 16.0,)


def _pill(rng: np.random.Generator) -> Outline:
    radius = rng.uniform(0.36, 0.5)
    half_turn = np.linspace(-np.pi / 2, np.pi / 2, _ARC_POINTS // 2)
    cap = _polar(half_turn, radius) + np.array([1.0 - radius, 0.0])
    return (_densify(np.concatenate([cap, -cap])),)


def _cross(rng: np.random.Generator) -> Outline:
    a = rng.uniform(0.26, 0.38)
    quarter = np.array([(a, a), (a, 1.0), (-a, 1.0)])
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    corners = [quarter @ np.linalg.matrix_power(turn, k) for k in range(4)]
    return (_densify(np.concatenate(corners)),)


def _crescent(rng: np.random.Generator) -> Outline:
    shift, radius = rng.uniform(0.42, 0.55), rng.uniform(0.75, 0.85)
    tip = np.arccos((shift**2 + 1.0 - radius**2) / (2.0 * shift))
    inner_tip = np.arctan2(np.sin(tip), np.cos(tip) - shift)
    outer = _polar(np.linspace(tip, 2 * np.pi - tip, _ARC_POINTS), 1.0)
    inner = _polar(np.linspace(2 * np.pi - inner_tip, inner_tip, _ARC_POINTS), radius)
    return (np.concatenate([outer, inner[1:-1] + np.array([shift, 0.0])]),)


def _arrow(rng: np.random.Generator) -> Outline:
    shaft, neck = rng.uniform(0.2, 0.3), rng.uniform(-0.05, 0.2)
    head = rng.uniform(0.65, 0.8)
    upper = [(-1.0, -shaft), (neck, -shaft), (neck, -head), (1.0, 0.0)]
    lower = [(x, -y) for x, y in reversed(upper[:3])]
    return (_densify(upper + lower),)


def _gear(rng: np.random.Generator) -> Outline:
    teeth, root = int(rng.integers(7, 11)), rng.uniform(0.7, 0.78)
    pitch = 2.0 * np.pi / teeth
    offsets = np.array([-0.3, -0.18, 0.18, 0.3]) * pitch
    angles = (np.arange(teeth)[:, None] * pitch + offsets).ravel()
    rim = _densify(_polar(angles, np.tile([root, 1.0, 1.0, root], teeth)))
    return (rim, _polar(_full_turn(), rng.uniform(0.2, 0.32)))


def _flower(rng: np.random.Generator) -> Outline:
    petals, depth = int(rng.integers(5, 8)), rng.uniform(0.2, 0.3)
    angles = _full_turn(3 * _ARC_POINTS)
    bumps = np.abs(np.cos(angles * petals / 2.0)) ** 0.7
    return (_polar(angles, 1.0 - 2.0 * depth + 2.0 * depth * bumps),)


def _leaf(rng: np.random.Generator) -> Outline:
    x = np.linspace(-1.0, 1.0, _ARC_POINTS)
    width = rng.uniform(0.4, 0.55) * (1.0 - x**2) * (1.0 - 0.35 * x)
    bend = rng.uniform(-0.3, 0.3) * x**2
    upper = np.stack([x, bend - width], axis=1)
    lower = np.stack([x, bend + width], axis=1)[::-1]
    return (np.concatenate([upper, lower[1:-1]]),)


def _wedge(rng: np.random.Generator) -> Outline:
    top, height = rng.uniform(0.25, 0.4), rng.uniform(0.45, 0.65)
    corners = [(-1.0, height), (-top, -height), (top, -height), (1.0, height)]
    return (_densify(corners),)


def _bolt(rng: np.random.Generator) -> Outline:
    w = rng.uniform(0.85, 1.15)
    corners = [
        (0.15, -1.0), (-0.55, 0.15), (-0.08, 0.15), (-0.25, 1.0), (0.55, -0.25),
        (0.1, -0.25), (0.5, -1.0),
    ]  # fmt: skip
    return (_densify([(x * w, y) for x, y in corners]),)


_SHAPES: dict[str, Callable[[np.random.Generator], Outline]] = {
    'disc': _disc,
    'square': _square,
    'triangle': _triangle,
    'star': _star,
    'ring': _ring,
    'heart': _heart,
    'hexagon': _hexagon,
    'pill': _pill,
    'cross': _cross,
    'crescent': _crescent,
    'arrow': _arrow,
    'gear': _gear,
    'flower': _flower,
    'leaf': _leaf,
    'wedge': _wedge,
    'bolt': _bolt,
}
