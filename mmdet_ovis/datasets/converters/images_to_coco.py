"""A folder of images without annotations, such as ImageNet's, as a COCO file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...utils.io import atomic_write_text
from ...utils.parallel import map_in_processes
from ...utils.progress import show_progress
from ...utils.tally import Tally
from .masks import read_image_size
from .output import OBJECT_CATEGORY, ConversionSummary, check_output, write_coco

IMAGE_SUFFIXES = frozenset(
    {'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'},
)
"""What counts as an image, in small letters."""

_CHUNK = 64
"""Files that go to a worker at once."""


def convert_images(
    folder: str | Path, out: str | Path, workers: int = 0
) -> ConversionSummary:
    """List the images below a folder, with their sizes, in a COCO file.

    Ids are places in the sorted list of relative paths, so they are the same on every
    machine that holds the same files, whether or not all can be read. Files that are
    no readable image are left out and stand, with the reason, in
    ``<out>.unreadable.jsonl``.

    Sizes come from the headers of the files; nothing is decoded. A file that breaks
    off later on is not noticed here but by the extraction, which lists it.

    Args:
        folder (str | Path): Searched with all its folders; links are followed.
        out (str | Path): COCO file to write.
        workers (int): Processes that read headers; 0 reads them here.

    Returns:
        ConversionSummary: What was written and what was left out.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If no readable image is below it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'no such folder: {folder}')
    out = check_output(out, [])
    left_out = Tally()
    names = []
    for name in walk_files(folder):
        if Path(name).suffix.lower() in IMAGE_SUFFIXES:
            names.append(name)
        else:
            left_out.add('file that is no image by its name', name)
    names.sort()
    images, unreadable = [], []
    read = partial(_read_size, str(folder))
    with show_progress('sizes', len(names)) as advance:
        sizes = map_in_processes(read, names, workers, _CHUNK)
        for number, (name, size) in enumerate(zip(names, sizes, strict=True), start=1):
            if isinstance(size, str):
                left_out.add('image that cannot be read', name)
                unreadable.append({'file_name': name, 'reason': size})
            else:
                images.append(_image(number, name, size))
            advance()
    _save_list(Path(f'{out}.unreadable.jsonl'), unreadable)
    return write_coco(
        out, images, [], [OBJECT_CATEGORY], f'Images of {folder.name}', left_out
    )


def walk_files(folder: Path) -> Iterator[str]:
    """Find all files below a folder, each folder once even if links make a circle.

    Args:
        folder (Path): Where to begin.

    Yields:
        str: Paths relative to the folder, with ``/``, not sorted.

    Raises:
        OSError: If a folder cannot be read.
    """
    seen = set()
    for root, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        folders.sort()  # Which of two links to one folder counts is no accident.
        state = Path(root).stat()
        if (state.st_dev, state.st_ino) in seen:
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        prefix = Path(root).relative_to(folder).as_posix()
        start = '' if prefix == '.' else f'{prefix}/'
        for name in files:
            yield start + name


def _raise(error: OSError) -> None:
    raise error


def _read_size(folder: str, name: str) -> tuple[int, int] | str:
    """Return height and width, or why there is none."""
    try:
        return read_image_size(Path(folder, name))
    except (OSError, ValueError) as error:
        return str(error)


def _image(number: int, name: str, size: tuple[int, int]) -> dict[str, Any]:
    return {'id': number, 'file_name': name, 'height': size[0], 'width': size[1]}


def _save_list(path: Path, entries: list[dict[str, str]]) -> None:
    """Write one JSON line an entry, or remove the list of an earlier call."""
    if not entries:
        path.unlink(missing_ok=True)
        return
    atomic_write_text(path, ''.join(f'{json.dumps(entry)}\n' for entry in entries))
