"""What can be wrong with the images and categories of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...utils.progress import show_progress
from ...utils.tally import Tally
from ..converters.masks import read_image_size

_TYPES = {
    'id': (int, 'an integer'),
    'image_id': (int, 'an integer'),
    'category_id': (int, 'an integer'),
    'file_name': (str, 'a text'),
    'name': (str, 'a text'),
}
_IMAGE_KEYS = ('id', 'file_name', 'height', 'width')


class ImageChecker:
    """Checks the images of a file; keeps their sizes, None where that is not good.

    Args:
        images (Sequence[Any]): What should be COCO images.
        problems (Tally): Where to count.
    """

    def __init__(self, images: Sequence[Any], problems: Tally) -> None:
        self.sizes: dict[int, tuple[int, int] | None] = {}
        self.names: dict[int, str] = {}
        seen_names: set[str] = set()
        for i, image in enumerate(images):
            where = f'images[{i}]'
            if not has_keys(image, _IMAGE_KEYS, where, problems):
                continue
            size = (image['height'], image['width'])
            if not all(isinstance(side, int) and side > 0 for side in size):
                problems.add('height or width is no positive integer', where)
                size = None
            if image['id'] in self.sizes:
                problems.add('image id is used twice', f'{where}: {image["id"]}')
            if image['file_name'] in seen_names:
                problems.add(
                    'file_name is used twice', f'{where}: {image["file_name"]}'
                )
            seen_names.add(image['file_name'])
            self.sizes[image['id']] = size
            self.names[image['id']] = image['file_name']

    def check_files(self, folder: Path, problems: Tally) -> None:
        """Compare with the files."""
        with show_progress('images', len(self.names)) as advance:
            for image_id, name in self.names.items():
                try:
                    size = read_image_size(folder / name)
                except FileNotFoundError:
                    problems.add('image file is missing', name)
                except (OSError, ValueError) as error:
                    problems.add('image file cannot be read', str(error))
                else:
                    stated = self.sizes[image_id]
                    if stated not in (None, size):
                        place = f'{name}: {size}, not {stated} (height, width)'
                        problems.add('image file has another size', place)
                advance()


def check_categories(categories: Sequence[Any], problems: Tally) -> set[int]:
    """Check the categories of a file.

    Args:
        categories (Sequence[Any]): What should be COCO categories.
        problems (Tally): Where to count.

    Returns:
        set[int]: Their ids.
    """
    ids: set[int] = set()
    names: set[str] = set()
    for i, category in enumerate(categories):
        where = f'categories[{i}]'
        if not has_keys(category, ('id', 'name'), where, problems):
            continue
        if category['id'] in ids:
            problems.add('category id is used twice', f'{where}: {category["id"]}')
        if category['name'] in names:
            problems.add('category name is used twice', f'{where}: {category["name"]}')
        ids.add(category['id'])
        names.add(category['name'])
    return ids


def has_keys(entry: Any, keys: Sequence[str], where: str, problems: Tally) -> bool:
    """Check that an entry is an object with these keys, and ids and names by type.

    Args:
        entry (Any): What should be one.
        keys (Sequence[str]): What it needs.
        where (str): Its place, for example ``'images[3]'``.
        problems (Tally): Where to count.

    Returns:
        bool: Whether all is there.
    """
    group = where.partition('[')[0] or 'list'
    if not isinstance(entry, Mapping):
        problems.add(f'{group}: entry is no object', where)
        return False
    missing = [key for key in keys if entry.get(key) is None]
    for key in missing:
        problems.add(f"{group}: key '{key}' is missing", where)
    wrong = [
        key
        for key, (kind, _) in _TYPES.items()
        if entry.get(key) is not None
        and (not isinstance(entry[key], kind) or isinstance(entry[key], bool))
    ]
    for key in wrong:
        reason = f"{group}: key '{key}' is not {_TYPES[key][1]}"
        problems.add(reason, f'{where}: {entry[key]!r}')
    return not missing and not wrong
