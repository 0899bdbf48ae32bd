"""Photographs that the scikit-image wheel carries on disk.

The files are opened by path and never through :func:`skimage.data.load` and its kind,
which would download what is missing.
"""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np
import skimage


@functools.lru_cache(maxsize=32)
def load_photo(name: str) -> np.ndarray:
    """Read a photograph that ships with scikit-image.

    Args:
        name (str): File name in ``skimage/data``, for example ``'astronaut.png'``.

    Returns:
        np.ndarray: Read-only uint8 (H, W, 3), RGB.

    Raises:
        FileNotFoundError: If the installed scikit-image does not carry the file.
        ValueError: If the file is not a readable image.
    """
    path = Path(skimage.__file__).parent / 'data' / name
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} is missing: OpenShapes needs the photographs that the '
            f'scikit-image wheel carries (installed: {skimage.__version__}); '
            'install it again with "pip install --force-reinstall scikit-image"'
        )
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{path} cannot be read as an image; reinstall scikit-image')
    image = np.ascontiguousarray(image[..., ::-1])
    image.flags.writeable = False
    return image


@functools.lru_cache(maxsize=32)
def load_luminance(name: str) -> np.ndarray:
    """Read a photograph as a texture: half resolution, contrast stretched to [0, 1].

    Args:
        name (str): File name in ``skimage/data``.

    Returns:
        np.ndarray: Read-only float32 (H // 2, W // 2).

    Raises:
        FileNotFoundError: If the installed scikit-image does not carry the file.
        ValueError: If the file is not a readable image.
    """
    gray = cv2.cvtColor(load_photo(name), cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    half = (width // 2, height // 2)
    gray = cv2.resize(gray, half, interpolation=cv2.INTER_AREA).astype(np.float32)
    # A wide blur takes away the uneven lighting, which belongs to the photograph.
    gray -= cv2.GaussianBlur(gray, (0, 0), 0.1 * min(half))
    low, high = np.percentile(gray, (2.0, 98.0))
    stretched = np.clip((gray - low) / (high - low), 0.0, 1.0).astype(np.float32)
    stretched.flags.writeable = False
    return stretched
