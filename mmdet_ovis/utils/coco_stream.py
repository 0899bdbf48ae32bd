"""COCO files whose annotations are read and written one by one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, Final

from mmdet.datasets.api_wrappers import COCO

from .coco import index_coco
from .json_stream import open_json

_ENCODER: Final = json.JSONEncoder(allow_nan=False)


def iter_coco_annotations(path: str | os.PathLike) -> Iterator[tuple[str, Any]]:
    """Read the annotations of a COCO file one by one, whatever else it holds.

    Args:
        path (str | PathLike): A JSON file with a list ``annotations``.

    Yields:
        tuple[str, Any]: File and index, for messages, and the annotation.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not valid JSON or has no such list.
    """
    found = False
    with open_json(path) as stream:
        for key in stream.members():
            if key == 'annotations' and stream.kind is list:
                found = True
                for i, ann in enumerate(stream.elements()):
                    yield f'{path}: annotations[{i}]', ann
            else:
                stream.skip()
        stream.end()
    if not found:
        raise ValueError(f"{path} is not a COCO file: it has no list 'annotations'")


def load_coco_head(
    path: str | os.PathLike, optional: Iterable[str] = ()
) -> tuple[COCO, int]:
    """Load a COCO annotation file without its annotations.

    Args:
        path (str | PathLike): A COCO JSON file with ``images``, ``annotations`` and
            ``categories``.
        optional (Iterable[str]): Lists that may be missing; they are empty then.

    Returns:
        tuple[COCO, int]: As :func:`.coco.load_coco` gives it, but with an empty list
        of annotations in its place; and the largest ``id`` of an annotation, or 0.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not valid JSON, not a COCO annotation file, or an
            annotation has no ``id``.
    """
    last_id = 0
    with open_json(path) as stream:
        if stream.kind is not dict:
            return index_coco(stream.value(), path), last_id  # says what is wrong
        head: dict[str, Any] = {}
        for key in stream.members():
            if key == 'annotations' and stream.kind is list:
                head[key] = []
                for i, ann in enumerate(stream.elements()):
                    last_id = max(last_id, _id_of(ann, f'{path}: annotations[{i}]'))
            else:
                head[key] = stream.value()
        stream.end()
    for key in optional:
        head.setdefault(key, [])
    return index_coco(head, path), last_id


def _id_of(ann: Any, where: str) -> int:
    if not isinstance(ann, dict) or not isinstance(ann.get('id'), int):
        raise ValueError(f"{where}: key 'id' is missing or not an integer")
    return ann['id']


def write_coco(
    file: IO[str],
    head: Mapping[str, Any],
    annotations: Iterable[tuple[str, Mapping[str, Any]]],
    where: str | os.PathLike,
) -> None:
    """Write a COCO file, as :func:`json.dump` would, the annotations one by one.

    Args:
        file (IO[str]): Open for writing.
        head (Mapping): What the file holds; in the place of ``annotations`` come...
        annotations (Iterable[tuple[str, Mapping]]): ...these, each with its place for
            messages.
        where (str | PathLike): Where the head comes from, for messages.

    Raises:
        ValueError: If something holds NaN or infinity.
    """
    comma = '{'
    for key, value in head.items():
        file.write(f'{comma}{_ENCODER.encode(key)}: ')
        comma = ', '
        if key == 'annotations':
            write_list(file, annotations)
        else:
            file.write(encode(value, f'{where}: {key}'))
    file.write('}')


def write_list(file: IO[str], elements: Iterable[tuple[str, Any]]) -> None:
    """Write a JSON list element by element, as :func:`json.dump` would.

    Args:
        file (IO[str]): Open for writing.
        elements (Iterable[tuple[str, Any]]): Each with its place for messages.

    Raises:
        ValueError: If an element holds NaN or infinity.
    """
    comma = ''
    file.write('[')
    for where, element in elements:
        file.write(f'{comma}{encode(element, where)}')
        comma = ', '
    file.write(']')


def encode(value: Any, where: str) -> str:
    """Write a value as JSON.

    Args:
        value (Any): What :mod:`json` knows.
        where (str): Where it comes from, for the message.

    Raises:
        ValueError: If it holds NaN or infinity, which JSON does not know.
    """
    try:
        return _ENCODER.encode(value)
    except ValueError as error:
        raise ValueError(f'{where} cannot be written: {error}') from None
