"""Vocabularies by name, and from files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..structures.class_splits import COCO_OV_BASE_CLASSES, COCO_OV_NOVEL_CLASSES
from ..structures.vocabulary import Vocabulary, split_forms
from ..utils.json_stream import open_json


def _classes_of(dataset: str) -> Callable[[], Sequence[str]]:
    """Names in the metadata of one of mmdet's datasets."""

    def read() -> Sequence[str]:
        from mmdet import datasets  # takes seconds

        return getattr(datasets, dataset).METAINFO['classes']

    return read


def _openimages_classes() -> Sequence[str]:
    # The dataset class of mmdet reads its names from a file.
    from mmdet.evaluation.functional.class_names import oid_v6_classes

    return oid_v6_classes()


def _coco65_classes() -> Sequence[str]:
    wanted = {*COCO_OV_BASE_CLASSES, *COCO_OV_NOVEL_CLASSES}
    return [name for name in _classes_of('CocoDataset')() if name in wanted]


PRESETS: dict[str, Callable[[], Sequence[str]]] = {
    'coco80': _classes_of('CocoDataset'),
    'coco65': _coco65_classes,
    'coco_base': lambda: COCO_OV_BASE_CLASSES,
    'coco_novel': lambda: COCO_OV_NOVEL_CLASSES,
    'lvis': _classes_of('LVISV1Dataset'),
    'objects365': _classes_of('Objects365V2Dataset'),
    'openimages': _openimages_classes,
    'voc': _classes_of('VOCDataset'),
}
"""Names by preset: ``coco65`` are the 48 base and 17 novel classes in COCO's order,
``lvis`` the 1203 of v1, ``objects365`` those of v2, ``openimages`` the 601 boxed ones
of v6."""


def load_vocabulary(source: str | os.PathLike | Iterable[str]) -> Vocabulary:
    """Return a vocabulary by name, from a file, or of the names themselves.

    Args:
        source (str | PathLike | Iterable[str]): One of `PRESETS`; a file, see
            :func:`read_vocabulary`; or names, as configs list them, see
            :meth:`~mmdet_ovis.structures.vocabulary.Vocabulary.of`.

    Returns:
        Vocabulary: In the order of the data set, file or list.

    Raises:
        FileNotFoundError: If there is neither.
        ValueError: If the file or list is no vocabulary.

    Examples:
        >>> load_vocabulary('coco_novel').names[:3]
        ('airplane', 'bus', 'cat')
        >>> load_vocabulary(['dog', 'couch|sofa']).forms(1)
        ('couch', 'sofa')
    """
    if not isinstance(source, str | os.PathLike):
        return Vocabulary.of(source)
    if source in PRESETS:
        return Vocabulary(tuple(PRESETS[source]()))
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(
            f'no such vocabulary: {source}; name a .txt or .json file, or one of '
            f'{", ".join(PRESETS)}'
        )
    return read_vocabulary(path)


def read_vocabulary(path: str | os.PathLike) -> Vocabulary:
    """Read a vocabulary from a file.

    - ``.txt``: a name a line, synonyms behind bars (``couch|sofa``); blank lines and
      those that begin with ``#`` do not count.
    - ``.json`` with a list: names, with synonyms behind bars as well.
    - ``.json`` with ``{name: [form, ...]}``: names and what captions say for them, as
      Mask-free OVIS has it.
    - ``.json`` of a COCO or LVIS annotation file: names of the categories, and their
      ``synonyms`` where they have any.
    - ``.json`` of ``tools/cmpl/parse_captions.py``: names that words stand for.

    Args:
        path (str | PathLike): The file.

    Returns:
        Vocabulary: In the order of the file. A name that is given twice is merged,
        with a warning.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is none of these; the message names file and entry.
    """
    path = Path(path)
    if path.suffix == '.txt':
        rows = _read_text(path)
    elif path.suffix == '.json':
        rows = _rows_of_json(_read_names(path), path)
    else:
        raise ValueError(f'{path}: a vocabulary is a .txt or a .json file')
    try:
        return Vocabulary.from_rows(rows)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def _read_text(path: Path) -> list[tuple[str, ...]]:
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()
    except (UnicodeDecodeError, IsADirectoryError):
        raise ValueError(f'{path} is not a text file') from None
    except FileNotFoundError:
        raise FileNotFoundError(f'no such file: {path}') from None
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        rows.append(split_forms(line))
        if not rows[-1]:
            raise ValueError(f'{path}: line {number} holds no name')
    return rows


def _read_names(path: Path) -> Any:
    """Read a JSON file, of lists of objects other than categories only the first one.

    Annotation files are larger than what is wanted of them by far.
    """
    with open_json(path) as stream:
        if stream.kind is dict:
            content: Any = {}
            for key in stream.members():
                if key == 'categories' or stream.kind is not list:
                    content[key] = stream.value()
                    continue
                content[key] = kept = []
                for value in stream.elements():
                    if not (kept and isinstance(value, dict)):
                        kept.append(value)
        else:
            content = stream.value()
        stream.end()
    return content


def _rows_of_json(content: Any, path: Path) -> Sequence[Sequence[str]]:
    if isinstance(content, list):
        _check_strings(content, f'{path}: name')
        rows = [split_forms(name) for name in content]
        if () in rows:
            raise ValueError(f'{path}: name {rows.index(())} holds no name')
        return rows
    if not isinstance(content, dict):
        raise ValueError(
            f'{path} is not a vocabulary: the top level is a {type(content).__name__}'
        )
    if isinstance(content.get('categories'), list) and _is_coco(content):
        return categories_as_rows(content['categories'], path)
    if _is_word_file(content):
        return _rows_of_json(content['vocabulary'], path)
    for name, forms in content.items():
        if not isinstance(forms, list):
            raise ValueError(f"{path}: the forms of '{name}' are not a list")
        _check_strings(forms, f"{path}: form of '{name}', number")
    return [[name, *forms] for name, forms in content.items()]


def _is_coco(content: Mapping[str, Any]) -> bool:
    return all(isinstance(category, dict) for category in content['categories'])


def _is_word_file(content: Mapping[str, Any]) -> bool:
    """Tell the words of captions from forms of things called vocabulary and words."""
    words = content.get('words')
    return (
        isinstance(content.get('vocabulary'), list)
        and isinstance(words, list)
        and all(isinstance(word, dict) for word in words)
    )


def categories_as_rows(
    categories: Sequence[Mapping[str, Any]], source: str | os.PathLike
) -> list[list[str]]:
    """Take names and synonyms out of the categories of a COCO file.

    Raises:
        ValueError: If one has no name, or synonyms that are no texts.
    """
    rows = []
    for i, category in enumerate(categories):
        name, synonyms = category.get('name'), category.get('synonyms', [])
        if not isinstance(synonyms, list):
            raise ValueError(f'{source}: categories[{i}].synonyms is not a list')
        _check_strings([name], f'{source}: categories[{i}].name')
        _check_strings(synonyms, f'{source}: categories[{i}], synonym')
        rows.append([name, *synonyms])
    return rows


def _check_strings(values: Sequence[Any], what: str) -> None:
    for i, value in enumerate(values):
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f'{what} {i} is not a text: {value!r}')
