"""Named class splits of the open-world protocols (seen and unseen classes).

The names are those of the cross-category tables of OLN (Kim et al., RA-L 2022) and
GGN (Wang et al., CVPR 2022): ``voc`` are the 20 PASCAL VOC classes in COCO spelling,
``nonvoc`` the other 60, and so on. ``lvis_coco`` are the LVIS v1 categories that
correspond to COCO classes, ``lvis_noncoco`` all others of LVIS.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

VOC_CLASSES: tuple[str, ...] = (
    'airplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair',
    'cow', 'dining table', 'dog', 'horse', 'motorcycle', 'person', 'potted plant',
    'sheep', 'couch', 'train', 'tv',
)  # fmt: skip

LVIS_COCO_CLASSES: tuple[str, ...] = (
    'person', 'bicycle', 'car_(automobile)', 'motorcycle', 'airplane',
    'bus_(vehicle)', 'train_(railroad_vehicle)', 'truck', 'boat', 'traffic_light',
    'fireplug', 'stop_sign', 'parking_meter', 'bench', 'bird', 'cat', 'dog', 'horse',
    'sheep', 'cow', 'elephant', 'bear', 'zebra', 'giraffe', 'backpack', 'umbrella',
    'handbag', 'necktie', 'suitcase', 'frisbee', 'ski', 'snowboard', 'ball', 'kite',
    'baseball_bat', 'baseball_glove', 'skateboard', 'surfboard', 'tennis_racket',
    'bottle', 'wineglass', 'cup', 'fork', 'knife', 'spoon', 'bowl', 'banana', 'apple',
    'sandwich', 'orange_(fruit)', 'broccoli', 'carrot', 'pizza', 'doughnut', 'cake',
    'chair', 'sofa', 'flowerpot', 'bed', 'dining_table', 'toilet', 'television_set',
    'laptop_computer', 'mouse_(computer_equipment)', 'remote_control',
    'computer_keyboard', 'cellular_telephone', 'microwave_oven', 'oven', 'toaster',
    'sink', 'refrigerator', 'book', 'clock', 'vase', 'scissors', 'teddy_bear',
    'hair_dryer', 'toothbrush',
)  # fmt: skip
"""LVIS v1 names of the COCO classes, in COCO's order.

The correspondence is LVIS's own table from COCO classes to WordNet synsets. It is one
to one, but for ``hot dog``: its synset, frank.n.02, is no category of LVIS, so there
are 79.
"""

COCO_SPLIT_CLASSES: dict[str, tuple[str, ...]] = {
    'voc': VOC_CLASSES,
    'person': ('person',),
    'object': ('object',),
    'lvis_coco': LVIS_COCO_CLASSES,
}
"""Splits that are lists of names; ``non<name>`` and ``not:<name>`` complement them."""

_COMPLEMENTS = {'nonvoc': 'voc', 'nonperson': 'person', 'lvis_noncoco': 'lvis_coco'}


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
    split: str | Sequence[str | int],
    dataset_classes: Sequence[str] | Mapping[int, str],
) -> tuple[str, ...]:
    """Turn a split into the class names of one dataset that belong to it.

    Args:
        split (str | Sequence[str | int]): ``'all'``, a named split (``'voc'``,
            ``'nonvoc'``, ``'person'``, ``'nonperson'``, ``'object'``,
            ``'lvis_coco'``, ``'lvis_noncoco'`` and those of :func:`register_split`),
            ``'not:<named split>'``, or a list of names and category ids.
        dataset_classes (Sequence[str] | Mapping[int, str]): Names of the categories
            that the dataset holds, in its order; by category id if the split may
            hold ids.

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
        >>> resolve_split([18, 'kite'], {1: 'person', 18: 'dog', 38: 'kite'})
        ('dog', 'kite')
    """
    names_of_ids = dataset_classes if isinstance(dataset_classes, Mapping) else {}
    dataset_classes = tuple(names_of_ids.values() or dataset_classes)
    if not isinstance(split, str):
        members = tuple(_name_of(member, names_of_ids) for member in split)
        return _select(members, dataset_classes, f'list {list(split)}')
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


def _name_of(member: str | int, names_of_ids: Mapping[int, str]) -> str:
    if isinstance(member, str):
        return member
    if member in names_of_ids:
        return names_of_ids[member]
    raise ValueError(
        f'the dataset has no category id {member!r}; its ids are '
        f'{_shorten(sorted(names_of_ids)) if names_of_ids else "not known here"}'
    )


def _shorten(members: Sequence[str | int], limit: int = 80) -> str:
    shown = ', '.join(map(repr, members[:limit]))
    return shown if len(members) <= limit else f'{shown}, ... ({len(members)} in all)'


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
            f'the dataset has {_shorten(dataset_classes)}'
        )
    wanted = set(names)
    return tuple(name for name in dataset_classes if name in wanted)
