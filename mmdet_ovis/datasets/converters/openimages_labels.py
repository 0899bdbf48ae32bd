"""What is known to be absent from the images of Open Images.

People have verified image-level labels one by one: present (confidence 1) or absent
(0). Nothing is known about all other classes, so an evaluation must not count their
detections as wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...utils.io import read_json
from .csv_rows import read_rows

_COLUMNS = ('ImageID', 'LabelName', 'Confidence')


def read_absent_classes(
    labels_csv: str | Path,
    category_ids: Mapping[str, int],
    hierarchy: str | Path | None = None,
) -> dict[str, list[int]]:
    """Read the classes that are known to be absent.

    Args:
        labels_csv (str | Path): Verified image-level labels, for example
            ``validation-annotations-human-imagelabels-boxable.csv``.
        category_ids (Mapping[str, int]): Ids of the classes by machine id; labels of
            others are passed over.
        hierarchy (str | Path, optional): ``bbox_labels_600_hierarchy.json``: where a
            class is absent, the classes below it are so, too.

    Returns:
        dict[str, list[int]]: Category ids by image, ascending.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is of another form; the message names file and row.
    """
    below = {} if hierarchy is None else read_hierarchy(hierarchy)
    absent: dict[str, set[int]] = {}
    for number, row in read_rows(labels_csv, _COLUMNS, 'image-level labels'):
        try:
            confidence = float(row['Confidence'])
        except ValueError:
            raise ValueError(
                f"{labels_csv}: row {number}: Confidence is '{row['Confidence']}', not "
                'a number'
            ) from None
        if confidence > 0:
            continue
        label = row['LabelName']
        for name in (label, *below.get(label, ())):
            if name in category_ids:
                absent.setdefault(row['ImageID'], set()).add(category_ids[name])
    return {image: sorted(ids) for image, ids in absent.items()}


def read_hierarchy(path: str | Path) -> dict[str, set[str]]:
    """Read which classes are kinds of which.

    Args:
        path (str | Path): JSON file of nested objects with ``LabelName`` and maybe
            ``Subcategory``, a list. Parts of objects (``Part``) are no kinds.

    Returns:
        dict[str, set[str]]: By machine id those of all classes below.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another form.
    """
    below: dict[str, set[str]] = {}
    try:
        for ancestors, label in _walk(read_json(path), ()):
            for ancestor in ancestors:
                below.setdefault(ancestor, set()).add(label)
    except (KeyError, TypeError, AttributeError):
        raise ValueError(
            f"{path} is not a hierarchy of classes: objects with 'LabelName' and lists "
            "'Subcategory' are needed"
        ) from None
    return below


def _walk(
    node: Any, ancestors: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    label = node['LabelName']
    yield ancestors, label
    for child in node.get('Subcategory', []):
        yield from _walk(child, (*ancestors, label))
