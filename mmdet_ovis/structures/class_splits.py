"""Named class splits of the open-world protocols (seen and unseen classes).

The names are those of the cross-category tables of OLN (Kim et al., RA-L 2022) and
GGN (Wang et al., CVPR 2022): ``voc`` are the 20 PASCAL VOC classes in COCO spelling,
``nonvoc`` the other 60, and so on. ``lvis_coco`` are the LVIS v1 categories that
correspond to COCO classes, ``lvis_noncoco`` all others of LVIS.

``ov_base`` and ``ov_novel`` are the 48 and 17 COCO classes of open-vocabulary detection
(Bansal et al., ECCV 2018), ``ov_all`` both. They are no complements: 15 COCO classes
are in neither.
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

COCO_OV_BASE_CLASSES: tuple[str, ...] = (
    'person', 'bicycle', 'car', 'motorcycle', 'train', 'truck', 'boat', 'bench',
    'bird', 'horse', 'sheep', 'bear', 'zebra', 'giraffe', 'backpack', 'handbag',
    'suitcase', 'frisbee', 'skis', 'kite', 'surfboard', 'bottle', 'fork', 'spoon',
    'bowl', 'banana', 'apple', 'sandwich', 'orange', 'broccoli', 'carrot', 'pizza',
    'donut', 'chair', 'bed', 'toilet', 'tv', 'laptop', 'mouse', 'remote', 'microwave',
    'oven', 'toaster', 'refrigerator', 'book', 'clock', 'vase', 'toothbrush',
)  # fmt: skip
"""The 48 COCO classes that open-vocabulary methods may be trained on, in its order."""

COCO_OV_NOVEL_CLASSES: tuple[str, ...] = (
    'airplane', 'bus', 'cat', 'dog', 'cow', 'elephant', 'umbrella', 'tie', 'snowboard',
    'skateboard', 'cup', 'knife', 'cake', 'couch', 'keyboard', 'sink', 'scissors',
)  # fmt: skip
"""The 17 COCO classes that they have to find by name, in COCO's order."""

COCO_SPLIT_CLASSES: dict[str, tuple[str, ...]] = {
    'voc': VOC_CLASSES,
    'person': ('person',),
    'object': ('object',),
    'lvis_coco': LVIS_COCO_CLASSES,
    'ov_base': COCO_OV_BASE_CLASSES,
    'ov_novel': COCO_OV_NOVEL_CLASSES,
    'ov_all': COCO_OV_BASE_CLASSES + COCO_OV_NOVEL_CLASSES,
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
            ``'lvis_coco'``, ``'lvis_noncoco'``, ``'ov_base'``, ``'ov_novel'``,
            ``'ov_all'`` and those of :func:`register_split`),
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
        return select_classes(members, dataset_classes, f'list {list(split)}')
    if split == 'all':
        return dataset_classes
    names = split_classes(split, dataset_classes)
    if not names:
        raise ValueError(f"split '{split}' leaves no class of {dataset_classes}")
    return select_classes(names, dataset_classes, f"split '{split}'")


def split_classes(split: str, dataset_classes: Sequence[str]) -> tuple[str, ...]:
    """Return the class names that a named split stands for.

    Args:
        split (str): See :func:`resolve_split`.
        dataset_classes (Sequence[str]): Names of the categories of the dataset, which
            ``'all'`` and complements depend on.

    Returns:
        tuple[str, ...]: The names, whether or not the dataset has them.

    Raises:
        ValueError: If the split is unknown.

    Examples:
        >>> split_classes('person', ('dog', 'kite'))
        ('person',)
        >>> split_classes('nonperson', ('person',))
        ()
    """
    if split == 'all':
        return tuple(dataset_classes)
    complement_of = _COMPLEMENTS.get(split)
    if complement_of is None and split.startswith('not:'):
        complement_of = split[len('not:') :]
    if complement_of is None:
        return _named_split(split)
    left_out = set(_named_split(complement_of))
    return tuple(name for name in dataset_classes if name not in left_out)


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


def select_classes(
    names: Sequence[str], dataset_classes: Sequence[str], what: str
) -> tuple[str, ...]:
    """Bring names into the order of a dataset, which must have them all.

    Args:
        names (Sequence[str]): At least one name.
        dataset_classes (Sequence[str]): Those of the dataset.
        what (str): What to call the names in the message.

    Returns:
        tuple[str, ...]: The names.

    Raises:
        ValueError: If there is no name, or the dataset lacks one.
    """
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
