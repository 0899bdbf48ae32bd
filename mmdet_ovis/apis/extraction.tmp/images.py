"""What can be wrong with an image file, in words that help."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import ExifTags, Image

_JPEG, _END = b'\xff\xd8', b'\xd9'
_MARKER = re.compile(rb'\xff([\x02-\xcf\xd9-\xfe])')
"""A marker with a segment behind it, or the end; not what stands within a scan."""
_QUARTER_TURNS = (5, 6, 7, 8)


class BrokenImageError(Exception):
    """An image that cannot be processed; the job goes on without it."""


def check_not_truncated(path: str) -> None:
    """Insist that a JPEG file does not break off.

    Some versions of OpenCV decode such a file without complaint, with grey in place of
    what is missing.

    Args:
        path (str): Image file. One that is missing, on another kind of storage, or of
            another format is left to whoever decodes it.

    Raises:
        BrokenImageError: If the file breaks off.
    """
    file = Path(path)
    if not file.is_file():
        return
    data = file.read_bytes()
    if data.startswith(_JPEG) and not _has_end(data):
        raise BrokenImageError(f'{path}: the file is truncated')


def _has_end(data: bytes) -> bool:
    """Walk through the segments and scans of a JPEG file.

    Thumbnails stand within segments, and whatever cameras append behind the end.
    """
    position = len(_JPEG)
    while marker := _MARKER.search(data, position):
        if marker[1] == _END:
            return True
        position = marker.end() + int.from_bytes(
            data[marker.end() : marker.end() + 2], 'big'
        )
    return False


def explain_orientation(
    path: str, found: tuple[int, int], expected: tuple[int, int]
) -> str:
    """Say what to do if a size is wrong because of the EXIF orientation of a photo.

    Args:
        path (str): Image file.
        found (tuple[int, int]): Height and width as decoded.
        expected (tuple[int, int]): Height and width in the annotation file.

    Returns:
        str: To be appended to the reason; empty if this is not the reason.
    """
    if found != expected[::-1]:
        return ''
    try:
        with Image.open(path) as image:
            orientation = image.getexif().get(ExifTags.Base.Orientation)
    except OSError:  # on another kind of storage, or of a format without such things
        return ''
    if orientation not in _QUARTER_TURNS:
        return ''
    return (
        f'; the EXIF orientation of the file is {orientation}, which either the '
        'pipeline or the annotations ignore: LoadImageFromFile turns images with '
        "color_type='color' and leaves them as they are stored with "
        "'color_ignore_orientation'"
    )
