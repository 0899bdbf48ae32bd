"""Reading and writing single images."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from .io import atomic_write_bytes


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read an image as RGB, (H, W, 3) uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not an image that can be decoded.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no such image: {path}')
    data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise ValueError(f'{path} is not an image that can be decoded, or is truncated')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def write_image(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write an RGB image; the suffix of the path chooses the format.

    Raises:
        ValueError: If the format is unknown.
    """
    path = Path(path)
    try:
        _, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    except cv2.error:
        raise ValueError(
            f"cannot write {path}: unknown format '{path.suffix}'; use .png or .jpg"
        ) from None
    atomic_write_bytes(path, data.tobytes())
