"""Finding everything that is wrong with an annotation or pseudo-label file.

Readers of this project stop at the first fault, which is right for a job but tedious
for somebody who prepares a dataset. Here all faults are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...structures.pseudo_annotation import is_pseudo
from ...utils.io import read_json
from ...utils.progress import show_progress
from ...utils.tally import Tally
from .annotations import AnnotationChecker, Size
from .images import ImageChecker, check_categories

_LISTS = ('images', 'annotations', 'categories')


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Args:
        path (Path): The file.
        kind (str): What it is.
        counts (Mapping[str, int]): How many images, annotations, ... it has.
        problems (Tally): What is wrong with it; empty if it is good.
    """

    path: Path
    kind: str
    counts: Mapping[str, int]
    problems: Tally

    def __str__(self) -> str:
        """Text for a terminal."""
        counts = ', '.join(f'{number} {name}' for name, number in self.counts.items())
        head = f'{self.path}: {self.kind} with {counts}'
        if not self.problems:
            return f'{head}; no problem found'
        lines = [f'  {line}' for line in self.problems.lines()]
        return '\n'.join([f'{head}; {self.problems.total} problems', *lines])


def check_coco(
    path: str | Path,
    image_dir: str | Path | None = None,
    ref: str | Path | None = None,
) -> CheckReport:
    """Check a COCO annotation file, results, or extracted pseudo masks.

    Args:
        path (str | Path): An annotation file (with ground truth, pseudo annotations or
            both), a list of results, or the list of lists of
            ``tools/extract_pa_masks.py``.
        image_dir (str | Path, optional): Folder of the images: check that they are
            there, can be read, and have the size that the file says. Only headers are
            read.
        ref (str | Path, optional): Annotation file of the images, for lists, which do
            not name them.

    Returns:
        CheckReport: All problems, counted, with the first examples of each kind.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If a file is not JSON, or nothing of all this, or a list is to be
            checked against images without ``ref``.
    """
    if image_dir is not None and not Path(image_dir).is_dir():
        raise FileNotFoundError(f'no such folder: {image_dir}')
    content = read_json(path)
    problems = Tally()
    if isinstance(content, Mapping):
        if ref is not None:
            raise ValueError(f'{path} holds images itself, ref is for lists')
        lists = _read_lists(content, problems)
        images = ImageChecker(lists['images'], problems)
        if image_dir is not None:
            images.check_files(Path(image_dir), problems)
        categories = check_categories(lists['categories'], problems)
        checker = AnnotationChecker(problems, images.sizes, categories)
        entries = _of_annotations(lists['annotations'])
        kind, counts = 'COCO annotations', {k: len(lists[k]) for k in _LISTS}
        total = counts['images']
    elif isinstance(content, list):
        checker = AnnotationChecker(problems, *_reference(ref, image_dir))
        entries = _of_list(content, problems)
        kind, counts = 'list', {'entries': len(content)}
        total = len(content)
    else:
        raise ValueError(
            f'{path} holds a {type(content).__name__}; an annotation file, a list of '
            'results or a list of lists of pseudo annotations can be checked'
        )
    with show_progress('check', total) as advance:
        for where, ann, entry_kind in entries:
            before = len(checker.image_ids)
            checker.check(ann, where, entry_kind)
            if len(checker.image_ids) > before:
                advance()
    return CheckReport(Path(path), kind, counts, problems)


def _read_lists(content: Mapping[str, Any], problems: Tally) -> dict[str, list]:
    lists = {}
    for key in _LISTS:
        value = content.get(key)
        if not isinstance(value, list):
            problems.add('no list at the top level', f"'{key}'")
            value = []
        lists[key] = value
    return lists


def _reference(
    ref: str | Path | None, image_dir: str | Path | None
) -> tuple[dict[int, Size | None] | None, set[int] | None]:
    """Sizes of images and category ids that a list is checked against."""
    if ref is None:
        if image_dir is not None:
            raise ValueError('a list does not name its images; pass ref as well')
        return None, None
    content, problems = read_json(ref), Tally()
    if not isinstance(content, Mapping):
        raise ValueError(f'{ref} is not a COCO annotation file')
    lists = _read_lists(content, problems)
    images = ImageChecker(lists['images'], problems)
    if image_dir is not None:
        images.check_files(Path(image_dir), problems)
    categories = check_categories(lists['categories'], problems)
    if problems:
        raise ValueError(f'{ref} has problems of its own, check it first: {problems}')
    return images.sizes, categories


def _of_annotations(annotations: Sequence[Any]) -> Iterator[tuple[str, Any, str]]:
    """Place, entry and kind of each annotation."""
    for i, ann in enumerate(annotations):
        pseudo = isinstance(ann, Mapping) and is_pseudo(ann)
        yield f'annotations[{i}]', ann, 'merged' if pseudo else 'truth'


def _of_list(content: Sequence[Any], problems: Tally) -> Iterator[tuple[str, Any, str]]:
    """Place, entry and kind of each result or extracted pseudo annotation."""
    nested = any(isinstance(entry, list) for entry in content)
    for i, entry in enumerate(content):
        if not nested:
            yield f'[{i}]', entry, 'result'
        elif isinstance(entry, list):
            for j, ann in enumerate(entry):
                yield f'[{i}][{j}]', ann, 'extracted'
        else:
            problems.add('entry is no list of the masks of one image', f'[{i}]')
