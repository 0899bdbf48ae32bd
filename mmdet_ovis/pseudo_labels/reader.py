"""Reading pseudo annotations, whichever tool wrote them.

Files are read image by image: what is in memory does not grow with their length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger

from ..structures.pseudo_annotation import (
    PSEUDO_DEFAULTS,
    PseudoAnnotation,
    check_pseudo_annotation,
    check_pseudo_annotations,
    is_pseudo,
)
from ..utils.coco_stream import iter_coco_annotations
from ..utils.json_stream import JsonStream, open_json
from .results import Entry, Size, rank_results


@dataclass(frozen=True)
class PseudoImage:
    """The pseudo annotations of one image.

    Args:
        image_id (int): The image.
        annotations (list[PseudoAnnotation]): Best rank first, not empty.
        places (list[str]): File and index of each, for messages.
    """

    image_id: int
    annotations: list[PseudoAnnotation]
    places: list[str]


def load_pseudo_annotations(
    path: str | Path, sizes: Mapping[int, Size] | None = None
) -> dict[int, list[PseudoAnnotation]]:
    """Read pseudo annotations by image.

    Args:
        path (str | Path): A list of lists (``tools/extract_pa_masks.py``), a COCO
            file (``tools/merge_annotations.py``), whose ground truth is left out, or
            a COCO results file of any other tool, see :mod:`.results`.
        sizes (Mapping[int, tuple[int, int]], optional): Height and width of the
            images, for masks that are polygons.

    Returns:
        dict[int, list[PseudoAnnotation]]: By ``image_id``; the best rank first.
        Images without a mask are absent. ``gt_iou`` is None where the file does not
        tell it; :func:`.gt_iou.fill_gt_iou` computes it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken; the message names file, index and key.
    """
    by_image: dict[int, list[Entry]] = {}
    for group in _groups(path):
        by_image.setdefault(group[0][1]['image_id'], []).extend(group)
    images = _complete(by_image.values(), path, sizes)
    return {image.image_id: image.annotations for image in images}


def iter_pseudo_images(
    path: str | Path, sizes: Mapping[int, Size] | None = None
) -> Iterator[PseudoImage]:
    """Read pseudo annotations image by image, in the order of the file.

    The annotations of an image stand together: in one list of a list of lists, one
    after the other in a COCO file. An image that comes again is yielded again, see
    :func:`once_per_image`. Only a results file whose images are mixed is read into
    memory.

    Args:
        path (str | Path): See :func:`load_pseudo_annotations`.
        sizes (Mapping[int, tuple[int, int]], optional): See there.

    Yields:
        PseudoImage: One image with masks.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken; the message names file, index and key.
    """
    groups: Iterable[list[Entry]] = _groups(path)
    if _is_mixed(path):
        by_image: dict[int, list[Entry]] = {}
        for group in groups:
            by_image.setdefault(group[0][1]['image_id'], []).extend(group)
        groups = by_image.values()
    yield from _complete(groups, path, sizes)


def once_per_image(images: Iterable[PseudoImage]) -> Iterator[PseudoImage]:
    """Insist that no image comes twice.

    Raises:
        ValueError: If one does; the message names both places.
    """
    seen: dict[int, str] = {}
    for image in images:
        if image.image_id in seen:
            raise ValueError(
                f'{image.places[0]}: image_id {image.image_id} was already read from '
                f'{seen[image.image_id]}; do two shards overlap? The masks of an image '
                'stand together'
            )
        seen[image.image_id] = image.places[0]
        yield image


def iter_pseudo_lists(path: str | Path) -> Iterator[tuple[list[str], list]]:
    """Read what ``tools/extract_pa_masks.py`` wrote, list by list.

    Args:
        path (str | Path): A list of lists.

    Yields:
        tuple[list[str], list[PseudoAnnotation]]: Places and annotations of one image
        in the order of the file; empty for images without a mask.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken or of another form; the message names file,
            index and key.
    """
    with open_json(path) as stream:
        if stream.kind is not list:
            raise ValueError(
                f'{path} holds a {stream.kind.__name__}; the format of '
                'tools/extract_pa_masks.py is a list with a list of masks an image'
            )
        for i, anns in enumerate(stream.elements()):
            _check_list(anns, f'{path}[{i}]')
            places = [f'{path}[{i}][{j}]' for j in range(len(anns))]
            check_pseudo_annotations(anns, places)
            yield places, [{**PSEUDO_DEFAULTS, **ann} for ann in anns]
        stream.end()


def _complete(
    groups: Iterable[list[Entry]], path: str | Path, sizes: Mapping[int, Size] | None
) -> Iterator[PseudoImage]:
    """Check the annotations of each image and put them in the order of their ranks."""
    n_empty = 0
    for group in groups:
        image_id = group[0][1]['image_id']
        ranked = group
        if not _have_ranks(group):
            ranked = rank_results(group, sizes.get(image_id) if sizes else None)
            n_empty += len(group) - len(ranked)
        places = [where for where, _ in ranked]
        anns = [ann for _, ann in ranked]
        check_pseudo_annotations(anns, places)
        order = sorted(range(len(anns)), key=lambda i: anns[i]['rank'])
        if anns:
            yield PseudoImage(
                image_id,
                [{**PSEUDO_DEFAULTS, **anns[i]} for i in order],
                [places[i] for i in order],
            )
    if n_empty:
        MMLogger.get_current_instance().warning(
            '%s: %d masks without a pixel are left out', path, n_empty
        )


def _have_ranks(group: list[Entry]) -> bool:
    """Tell pseudo annotations from results.

    Raises:
        ValueError: If the image has both.
    """
    ranked = ['rank' in ann for _, ann in group]
    if any(ranked) and not all(ranked):
        where, ann = group[ranked.index(False)]
        raise ValueError(
            f"{where}: key 'rank' is missing, which other masks of image_id "
            f'{ann["image_id"]} have; pseudo annotations and results of another tool '
            'do not mix in one file'
        )
    return ranked[0]


def _groups(path: str | Path) -> Iterator[list[Entry]]:
    """Read the entries of a file, those that stand together for one image at once."""
    with open_json(path) as stream:
        kind = stream.kind
        if kind is list:
            yield from _groups_of_list(stream, path)
            stream.end()
    if kind is dict:
        yield from _by_image(_pseudo_entries(path))
    elif kind is not list:
        raise ValueError(
            f'{path} is neither a list nor an object; pseudo annotations are a list of '
            'lists (tools/extract_pa_masks.py), a COCO file '
            '(tools/merge_annotations.py) or a list of COCO results'
        )


def _groups_of_list(stream: JsonStream, path: str | Path) -> Iterator[list[Entry]]:
    elements = ((f'{path}[{i}]', x) for i, x in enumerate(stream.elements()))
    first = next(elements, None)
    if first is None:
        return
    elements = chain([first], elements)
    if isinstance(first[1], Mapping):
        yield from _by_image(elements)
        return
    for where, anns in elements:
        _check_list(anns, where)
        yield from _by_image((f'{where}[{j}]', ann) for j, ann in enumerate(anns))


def _check_list(anns: Any, where: str) -> None:
    if not isinstance(anns, list):
        raise ValueError(
            f'{where} is a {type(anns).__name__}; in the format of '
            'tools/extract_pa_masks.py it is the list of masks of one image'
        )


def _by_image(entries: Iterable[tuple[str, Any]]) -> Iterator[list[Entry]]:
    for _, group in groupby(entries, _image_id):
        yield list(group)


def _image_id(entry: tuple[str, Any]) -> int:
    where, ann = entry
    if not isinstance(ann, Mapping) or type(ann.get('image_id')) is not int:
        check_pseudo_annotation(ann, where)  # says what is wrong
    return ann['image_id']


def _pseudo_entries(path: str | Path) -> Iterator[Entry]:
    """Read the annotations of a COCO file that are not ground truth."""
    n_truth = n_pseudo = 0
    for where, ann in iter_coco_annotations(path):
        if isinstance(ann, Mapping) and not is_pseudo(ann):
            n_truth += 1
            continue
        n_pseudo += 1
        yield where, ann
    if n_truth and not n_pseudo:
        raise ValueError(
            f'{path} holds ground truth only (no annotation has a score or rank); '
            'make pseudo annotations with tools/extract_pa_masks.py'
        )


def _is_mixed(path: str | Path) -> bool:
    """Tell whether a results file comes back to an image that it has left."""
    with open_json(path) as stream:
        if stream.kind is not list:
            return False
        seen, last = set(), None
        for result in stream.elements():
            if not isinstance(result, Mapping):
                return False
            image_id = result.get('image_id')
            if type(image_id) is not int or image_id == last:
                continue
            if image_id in seen:
                return True
            seen.add(image_id)
            last = image_id
    return False
