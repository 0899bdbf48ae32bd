"""Named class splits of the open-world protocols (seen and unseen classes).

The names are those of the cross-category tables of OLN (Kim et al., RA-L 2022) and
GGN (Wang et al., CVPR 2022): ``voc`` are the 20 PASCAL VOC classes in COCO spelling,
``nonvoc`` the other 60, and so on.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

VOC_CLASSES: tuple[str, ...] = (
    'airplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair',
    'cow', 'dining table', 'dog', 'horse', 'motorcycle', 'person', 'potted plant',
    'sheep', 'couch', 'train', 'tv',
)  # fmt: skip

COCO_SPLIT_CLASSES: dict[str, tuple[str, ...]] = {
    'voc': VOC_CLASSES,
    'person': ('person',),
    'object': ('object',),
}
"""Splits that are lists of names; ``non<name>`` and ``not:<name>`` complement them."""

_COMPLEMENTS = {'nonvoc': 'voc', 'nonperson': 'person'}


def register_split(name: str, classes: Iterable[str], complement: str) -> None:
    """Make a pair of split names known, for example those of a new dataset.

    Args:
        name (str): Name of the split, for example ``'openshapes_seen'``.
        classes (Iterable[str]): Class names that belong to it.
        complement (str): Name under which all other classes of the dataset go.
    """
    COCO_SPLIT_CLASSES[name] = tuple(classes)
    _COMPLEMENTS[complement] = name


def available_splits() -> tuple[str, ...]:
    """Return the names that :func:`resolve_split` knows."""
    return ('all', *COCO_SPLIT_CLASSES, *_COMPLEMENTS)


def resolve_split(
    split: str | Sequence[str], dataset_classes: Sequence[str]
) -> tuple[str, ...]:
    """Turn a split into the class names of one dataset that belong to it.

    Args:
        split (str | Sequence[str]): ``'all'``, a named split (``'voc'``,
            ``'nonvoc'``, ``'person'``, ``'nonperson'``, ``'object'`` and those of
            :func:`register_split`), ``'not:<named split>'``, or a list of names.
        dataset_classes (Sequence[str]): Names of the categories that the dataset
            holds, in its order.

    Returns:
        tuple[str, ...]: The names, in the order of ``dataset_classes``.

    Raises:
        ValueError: If the split is unknown, empty, or holds a class that the dataset
            lacks.

    Examples:
        >>> resolve_split('nonperson', ('person', 'dog', 'kite'))
        ('dog', 'kite')
        >>> resolve_split(['kite', 'dog'], ('person', 'dog', 'kite'))
        ('dog', 'kite')
    """
    dataset_classes = tuple(dataset_classes)
    if not isinstance(split, str):
        return _select(tuple(split), dataset_classes, f'list {list(split)}')
    if split == 'all':
        return dataset_classes
    complement_of = _COMPLEMENTS.get(split)
    if complement_of is None and split.startswith('not:'):
        complement_of = split[len('not:') :]
    if complement_of is not None:
        left_out = set(_named_split(complement_of))
        names = tuple(name for name in dataset_classes if name not in left_out)
        if not names:
            raise ValueError(f"split '{split}' leaves no class of {dataset_classes}")
        return names
    return _select(_named_split(split), dataset_classes, f"split '{split}'")


def _named_split(name: str) -> tuple[str, ...]:
    if name in COCO_SPLIT_CLASSES:
        return COCO_SPLIT_CLASSES[name]
    close = difflib.get_close_matches(name, available_splits(), n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ''
    raise ValueError(
        f"unknown class split '{name}'; use one of {', '.join(available_splits())}, "
        f"'not:<split>' or a list of class names.{hint}"
    )


def _select(
    names: tuple[str, ...], dataset_classes: tuple[str, ...], what: str
) -> tuple[str, ...]:
    if not names:
        raise ValueError('a class split needs at least one class name')
    missing = [name for name in names if name not in dataset_classes]
    if missing:
        raise ValueError(
            f'{what} holds classes that the dataset lacks: {missing}; '
            f'the dataset has {list(dataset_classes)}'
        )
    wanted = set(names)
    return tuple(name for name in dataset_classes if name in wanted)
