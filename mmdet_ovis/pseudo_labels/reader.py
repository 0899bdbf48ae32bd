"""Reading pseudo annotations, whichever tool of this project wrote them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..structures.pseudo_annotation import (
    PSEUDO_DEFAULTS,
    PseudoAnnotation,
    check_pseudo_annotation,
    is_pseudo,
)
from ..utils.io import read_json


def load_pseudo_annotations(path: str | Path) -> dict[int, list[PseudoAnnotation]]:
    """Read pseudo annotations by image.

    Args:
        path (str | Path): A list of lists (``tools/extract_pa_masks.py``), or a COCO
            file (``tools/merge_annotations.py``), whose ground truth is left out.

    Returns:
        dict[int, list[PseudoAnnotation]]: By ``image_id``; the best rank first.
        Images without a mask are absent.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken; the message names file, index and key.
    """
    by_image: dict[int, list[PseudoAnnotation]] = defaultdict(list)
    for _, ann in iter_pseudo_annotations(path):
        by_image[ann['image_id']].append(ann)
    for anns in by_image.values():
        anns.sort(key=lambda ann: ann['rank'])
    return dict(by_image)


def load_pseudo_lists(path: str | Path) -> list[list[PseudoAnnotation]]:
    """Read what ``tools/extract_pa_masks.py`` wrote, as it stands.

    Args:
        path (str | Path): A list of lists.

    Returns:
        list[list[PseudoAnnotation]]: One list an image, in the order of the file;
        empty for images without a mask.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken or a COCO file; the message names file,
            index and key.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise ValueError(
            f'{path} holds a {type(content).__name__}; the format of '
            'tools/extract_pa_masks.py is a list with a list of masks an image'
        )
    lists: list[list[PseudoAnnotation]] = [[] for _ in content]
    for i, where, ann in _of_lists(content, path):
        lists[i].append(_checked(ann, where))
    return lists


def iter_pseudo_annotations(
    path: str | Path,
) -> Iterator[tuple[str, PseudoAnnotation]]:
    """Read and check pseudo annotations in the order of the file.

    Args:
        path (str | Path): See :func:`load_pseudo_annotations`.

    Yields:
        tuple[str, PseudoAnnotation]: Where it stands, for messages, and the
        annotation with :data:`PSEUDO_DEFAULTS` filled in.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken; the message names file, index and key.
    """
    content = read_json(path)
    if isinstance(content, Mapping):
        entries = _of_coco(content, path)
    elif isinstance(content, list):
        entries = ((where, ann) for _, where, ann in _of_lists(content, path))
    else:
        raise ValueError(
            f'{path} holds a {type(content).__name__}; pseudo annotations are a list '
            'of lists (tools/extract_pa_masks.py) or a COCO file '
            '(tools/merge_annotations.py)'
        )
    for where, ann in entries:
        yield where, _checked(ann, where)


def _checked(ann: Any, where: str) -> PseudoAnnotation:
    check_pseudo_annotation(ann, where)
    return {**PSEUDO_DEFAULTS, **ann}


def _of_lists(content: list, path: str | Path) -> Iterator[tuple[int, str, Any]]:
    for i, anns in enumerate(content):
        if not isinstance(anns, list):
            raise ValueError(
                f'{path}[{i}] is a {type(anns).__name__}; in the format of '
                'tools/extract_pa_masks.py it is the list of masks of one image'
            )
        for j, ann in enumerate(anns):
            yield i, f'{path}[{i}][{j}]', ann


def _of_coco(content: Mapping, path: str | Path) -> Iterator[tuple[str, Any]]:
    anns = content.get('annotations')
    if not isinstance(anns, list):
        raise ValueError(f"{path} is not a COCO file: it has no list 'annotations'")
    pseudo = [
        (f'{path}: annotations[{i}]', ann)
        for i, ann in enumerate(anns)
        if not isinstance(ann, Mapping) or is_pseudo(ann)
    ]
    if anns and not pseudo:
        raise ValueError(
            f'{path} holds ground truth only (no annotation has a score or rank); '
            'make pseudo annotations with tools/extract_pa_masks.py'
        )
    yield from pseudo
