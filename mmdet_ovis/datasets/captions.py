"""Captions of images, and the words in them, as their files have them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.io import read_json
from ..utils.json_stream import open_json

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
    """

    image_id: int
    file_name: str
    captions: tuple[str, ...]
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class CaptionWords:
    """Words that were found in captions.

    Args:
        vocabulary (tuple[str, ...]): The names that words stand for.
        by_image (dict[int, dict[str, int]]): By image id the words, each with the place
            of its name in ``vocabulary``, in the order of the file.
    """

    vocabulary: tuple[str, ...]
    by_image: dict[int, dict[str, int]]


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


def read_caption_words(path: str | Path) -> CaptionWords:
    """Read the words that were found in captions.

    The file is an object with ``vocabulary``, a list of names, and ``words``, a list of
    ``{"image_id": 139, "word": "puppy", "name": "dog"}``: a word of a caption, and the
    name in the vocabulary that it stands for. More keys are allowed. A word that comes
    again for the same image changes nothing.

    Args:
        path (str | Path): Such a file.

    Returns:
        CaptionWords: Its content.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken; the message names file, entry and key.
    """
    content = read_json(path)
    is_object = isinstance(content, Mapping)
    vocabulary = _check_vocabulary(
        content.get('vocabulary') if is_object else None, path
    )
    if not isinstance(content.get('words'), list):
        raise ValueError(f"{path} is not a file of words: it has no list 'words'")
    labels = {name: label for label, name in enumerate(vocabulary)}
    by_image: dict[int, dict[str, int]] = {}
    for i, entry in enumerate(content['words']):
        where = f'{path}: words[{i}]'
        image_id = _need(entry, 'image_id', int, where)
        word, name = (_need(entry, key, str, where) for key in ('word', 'name'))
        if name not in labels:
            raise ValueError(f"{where}: '{name}' is not in the vocabulary of the file")
        by_image.setdefault(image_id, {}).setdefault(word, labels[name])
    return CaptionWords(vocabulary, by_image)


def read_caption_vocabulary(path: str | Path) -> tuple[str, ...]:
    """Read the names alone out of a file of words, see :func:`read_caption_words`.

    Args:
        path (str | Path): Such a file; what stands behind the names is not read.

    Returns:
        tuple[str, ...]: The names.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no list of names.
    """
    vocabulary = None
    with open_json(path) as stream:
        for key in stream.members() if stream.kind is dict else ():
            if key == 'vocabulary':
                vocabulary = stream.value()
                break
            stream.skip()
    return _check_vocabulary(vocabulary, path)


def _check_vocabulary(vocabulary: Any, path: str | Path) -> tuple[str, ...]:
    if not isinstance(vocabulary, list):
        raise ValueError(f"{path} is not a file of words: it has no list 'vocabulary'")
    if not all(isinstance(name, str) for name in vocabulary):
        raise ValueError(f"{path}: 'vocabulary' is not a list of names")
    counts = Counter(vocabulary)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"{path}: '{twice[0]}' is in the vocabulary twice")
    return tuple(vocabulary)


def _read_coco(content: Mapping[str, Any], path: Path) -> Iterator[CaptionedImage]:
    for key in ('images', 'annotations'):
        if not isinstance(content.get(key), list):
            raise ValueError(f"{path} is not a COCO file: it has no list '{key}'")
    captions: dict[int, list[str]] = {}
    for i, image in enumerate(content['images']):
        captions[_need(image, 'id', int, f'{path}: images[{i}]')] = []
    for i, annotation in enumerate(content['annotations']):
        where = f'{path}: annotations[{i}]'
        image_id = _need(annotation, 'image_id', int, where)
        if image_id not in captions:
            raise ValueError(f"{where}: no image has 'id' {image_id}")
        captions[image_id].append(_need(annotation, 'caption', str, where))
    for i, image in enumerate(content['images']):
        where = f'{path}: images[{i}]'
        name = _need(image, 'file_name', str, where)
        yield _captioned(image['id'], name, captions[image['id']], image, where)


def _join_pair(names: list[Any], path: Path) -> list[dict[str, Any]]:
    """Put the captions of ``*_caption.json`` to the file names of ``*_index.json``."""
    if not path.name.endswith(_INDEX):
        raise ValueError(
            f'{path} is a list of texts; file names of images stand in a file that is '
            f'called *{_INDEX}, with their captions in *{_CAPTION} beside it'
        )
    other = path.with_name(path.name.removesuffix(_INDEX) + _CAPTION)
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
        name = _need(entry, key, str, where)
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
    for name, image_id in _image_ids(dict(sorted(first.items()))).items():
        where, entry = first[name]
        yield _captioned(image_id, name, captions[name], entry, where)


def _image_ids(entries: Mapping[str, _Entry]) -> dict[str, int]:
    """Say which image has which id; see :func:`iter_captioned_images`."""
    given = ['image_id' in entry for _, entry in entries.values()]
    if any(given):
        ids = {
            name: _need(entry, 'image_id', int, where)
            for name, (where, entry) in entries.items()
        }
        owner: dict[int, str] = {}
        for name, image_id in ids.items():
            if owner.setdefault(image_id, name) != name:
                raise ValueError(
                    f'{entries[name][0]}: image_id {image_id} is that of '
                    f"'{owner[image_id]}', too"
                )
        return ids
    numbers = [re.search(r'(\d+)$', Path(name).stem) for name in entries]
    ids = {int(number[1]) for number in numbers if number}
    if len(ids) == len(entries):
        return {n: int(x[1]) for n, x in zip(entries, numbers, strict=True) if x}
    return {name: place for place, name in enumerate(entries, start=1)}


def _captioned(
    image_id: int, name: str, captions: list[str], entry: Mapping[str, Any], where: str
) -> CaptionedImage:
    size = None
    if 'height' in entry or 'width' in entry:
        size = _need(entry, 'height', int, where), _need(entry, 'width', int, where)
    once = tuple(dict.fromkeys(caption.strip() for caption in captions))
    return CaptionedImage(image_id, name, tuple(c for c in once if c), size)


def _need(entry: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(entry, Mapping):
        raise ValueError(f'{where} is not an object')
    if key not in entry:
        raise ValueError(f"{where}: key '{key}' is missing")
    if type(entry[key]) is not kind:
        what = 'an integer' if kind is int else 'a string'
        raise ValueError(f"{where}: key '{key}' is {entry[key]!r}; it must be {what}")
    return entry[key]
