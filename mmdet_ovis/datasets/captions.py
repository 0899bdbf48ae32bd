"""Captions of images, as their files have them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.io import read_json

_LINES = frozenset({'.jsonl', '.ndjson'})
_INDEX, _CAPTION = '_index.json', '_caption.json'
_Entry = tuple[str, Any]
"""Where something stands, for messages, and what stands there."""


@dataclass(frozen=True)
class CaptionedImage:
    """One image and what is said about it.

    Args:
        image_id (int): Its id.
        file_name (str): As it stands in the file.
        captions (tuple[str, ...]): Sentences in the order of the file, each once;
            possibly none.
        size (tuple[int, int], optional): Height and width, if the file tells them.
        id_is_place (bool): Whether the id is no more than the place in the list, which
            changes with the list.
    """

    image_id: int
    file_name: str
    captions: tuple[str, ...]
    size: tuple[int, int] | None = None
    id_is_place: bool = False


def iter_captioned_images(path: str | Path) -> Iterator[CaptionedImage]:
    """Read the captions of images, one image after the other.

    Four forms are read:

    - COCO's ``captions_*.json``: ``images``, and ``annotations`` with ``image_id`` and
      ``caption``. Images come in the order of the file, those without caption too.
    - A list of ``{"image": file name, "caption": sentence or list of sentences}``,
      maybe with ``image_id``, ``height`` and ``width``. ``file_name`` may stand for
      ``image``.
    - The same, one entry a line (``.jsonl``), as Conceptual Captions is often kept.
    - ``*_index.json``, a list of file names, and beside it ``*_caption.json``, the list
      of their captions, as CMPL keeps Conceptual Captions.

    In the last three, entries of one image are put together, and images come in the
    order of their names. Where they have no ``image_id``, it is the number at the end
    of the file name, as in COCO, if no two are equal; else the place in that order,
    from 1.

    Args:
        path (str | Path): One of these files.

    Yields:
        CaptionedImage: Each image once.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken; the message names file, entry and key.
    """
    path = Path(path)
    if path.suffix.lower() in _LINES:
        yield from _read_list(_iter_lines(path), path)
        return
    content = read_json(path)
    if isinstance(content, list):
        if content and isinstance(content[0], str):
            content = _join_pair(content, path)
        entries = ((f'{path}[{i}]', entry) for i, entry in enumerate(content))
        yield from _read_list(entries, path)
    elif isinstance(content, Mapping) and 'images' in content:
        yield from _read_coco(content, path)
    else:
        raise ValueError(
            f'{path} is none of the forms of captions: a COCO file with images and '
            'annotations, or a list (or .jsonl) of {"image": ..., "caption": ...}'
        )


def read_captions(path: str | Path) -> dict[int, tuple[str, ...]]:
    """Read captions by image id, see :func:`iter_captioned_images`.

    Args:
        path (str | Path): A file of captions.

    Returns:
        dict[int, tuple[str, ...]]: Images with at least one caption.
    """
    return {
        image.image_id: image.captions
        for image in iter_captioned_images(path)
        if image.captions
    }


def caption_files(path: str | Path) -> tuple[Path, ...]:
    """Return the files that :func:`iter_captioned_images` reads.

    Args:
        path (str | Path): What it is given.

    Returns:
        tuple[Path, ...]: This file, and the captions of an index of file names.

    Examples:
        >>> [file.name for file in caption_files('train_index.json')]
        ['train_index.json', 'train_caption.json']
    """
    path = Path(path)
    if not path.name.endswith(_INDEX):
        return (path,)
    return (path, path.with_name(path.name.removesuffix(_INDEX) + _CAPTION))


def _read_coco(content: Mapping[str, Any], path: Path) -> Iterator[CaptionedImage]:
    for key in ('images', 'annotations'):
        if not isinstance(content.get(key), list):
            raise ValueError(f"{path} is not a COCO file: it has no list '{key}'")
    captions: dict[int, list[str]] = {}
    for i, image in enumerate(content['images']):
        captions[need_key(image, 'id', int, f'{path}: images[{i}]')] = []
    for i, annotation in enumerate(content['annotations']):
        where = f'{path}: annotations[{i}]'
        image_id = need_key(annotation, 'image_id', int, where)
        if image_id not in captions:
            raise ValueError(f"{where}: no image has 'id' {image_id}")
        captions[image_id].append(need_key(annotation, 'caption', str, where))
    for i, image in enumerate(content['images']):
        where = f'{path}: images[{i}]'
        name = need_key(image, 'file_name', str, where)
        yield _captioned(image['id'], name, captions[image['id']], image, where)


def _join_pair(names: list[Any], path: Path) -> list[dict[str, Any]]:
    """Put the captions of ``*_caption.json`` to the file names of ``*_index.json``."""
    if not path.name.endswith(_INDEX):
        raise ValueError(
            f'{path} is a list of texts; file names of images stand in a file that is '
            f'called *{_INDEX}, with their captions in *{_CAPTION} beside it'
        )
    _, other = caption_files(path)
    captions = read_json(other)
    if not isinstance(captions, list) or len(captions) != len(names):
        what = f'{len(captions)} entries' if isinstance(captions, list) else 'no list'
        raise ValueError(f'{other} has {what} for the {len(names)} images of {path}')
    return [
        {'image': name, 'caption': caption}
        for name, caption in zip(names, captions, strict=True)
    ]


def _iter_lines(path: Path) -> Iterator[_Entry]:
    if not path.is_file():
        raise FileNotFoundError(f'no such file: {path}')
    with path.open('rb') as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except ValueError as error:  # no JSON, or no text
                reason = getattr(error, 'msg', 'it is no text')
                raise ValueError(
                    f'{path}: line {number} is not valid JSON: {reason}'
                ) from None
            yield f'{path}: line {number}', entry


def _read_list(entries: Iterator[_Entry], path: Path) -> Iterator[CaptionedImage]:
    """Put the entries of each image together."""
    first: dict[str, _Entry] = {}
    captions: dict[str, list[str]] = {}
    for where, entry in entries:
        has_file_name = isinstance(entry, Mapping) and 'file_name' in entry
        key = 'file_name' if has_file_name else 'image'
        name = need_key(entry, key, str, where)
        caption = entry.get('caption', [])
        caption = [caption] if isinstance(caption, str) else caption
        if not isinstance(caption, list) or not all(
            isinstance(sentence, str) for sentence in caption
        ):
            raise ValueError(
                f"{where}: key 'caption' is {caption!r}; it must be a sentence or a "
                'list of sentences'
            )
        first.setdefault(name, (where, entry))
        captions.setdefault(name, []).extend(caption)
    if not first:
        raise ValueError(f'{path} has no entry')
    ids, are_places = _image_ids(dict(sorted(first.items())))
    for name, image_id in ids.items():
        where, entry = first[name]
        yield _captioned(image_id, name, captions[name], entry, where, are_places)


def _image_ids(entries: Mapping[str, _Entry]) -> tuple[dict[str, int], bool]:
    """Say which image has which id, and whether ids are places.

    See :func:`iter_captioned_images`.
    """
    given = ['image_id' in entry for _, entry in entries.values()]
    if any(given):
        ids = {
            name: need_key(entry, 'image_id', int, where)
            for name, (where, entry) in entries.items()
        }
        owner: dict[int, str] = {}
        for name, image_id in ids.items():
            if owner.setdefault(image_id, name) != name:
                raise ValueError(
                    f'{entries[name][0]}: image_id {image_id} is that of '
                    f"'{owner[image_id]}', too"
                )
        return ids, False
    numbers = [re.search(r'(\d+)$', Path(name).stem) for name in entries]
    ids = {n: int(x[1]) for n, x in zip(entries, numbers, strict=True) if x}
    if len(set(ids.values())) == len(entries):
        return ids, False
    return {name: place for place, name in enumerate(entries, start=1)}, True


def _captioned(
    image_id: int,
    name: str,
    captions: list[str],
    entry: Mapping[str, Any],
    where: str,
    id_is_place: bool = False,
) -> CaptionedImage:
    size = None
    if 'height' in entry or 'width' in entry:
        size = (
            need_key(entry, 'height', int, where),
            need_key(entry, 'width', int, where),
        )
    once = tuple(dict.fromkeys(caption.strip() for caption in captions))
    return CaptionedImage(
        image_id, name, tuple(c for c in once if c), size, id_is_place
    )


def need_key(entry: Any, key: str, kind: type, where: str) -> Any:
    """Return what stands under a key of an object.

    Args:
        entry (Any): What should be an object.
        key (str): The key.
        kind (type): int, str or bool, which its value has to be.
        where (str): What the message calls the object.

    Raises:
        ValueError: If it is no object, or the key is missing or of another kind.

    Examples:
        >>> need_key({'image_id': 7}, 'image_id', int, 'a.json[0]')
        7
    """
    if not isinstance(entry, Mapping):
        raise ValueError(f'{where} is not an object')
    if key not in entry:
        raise ValueError(f"{where}: key '{key}' is missing")
    if type(entry[key]) is not kind:
        what = {int: 'an integer', str: 'a string', bool: 'true or false'}[kind]
        raise ValueError(f"{where}: key '{key}' is {entry[key]!r}; it must be {what}")
    return entry[key]
