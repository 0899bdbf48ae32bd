"""Which classes an open-vocabulary dataset has, by its annotation file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..structures.base_novel import BaseNovel, ClassList, find_base_novel
from ..structures.class_splits import resolve_split, select_classes


@dataclass(frozen=True)
class OVClasses:
    """Classes of a dataset.

    Attributes:
        classes (tuple[str, ...]): Names in the order of the file.
        groups (BaseNovel): Base and novel classes of the whole file.
        renames (Mapping[str, str]): New names of categories, which count everywhere.
    """

    classes: tuple[str, ...]
    groups: BaseNovel
    renames: Mapping[str, str]

    @property
    def metainfo(self) -> dict[str, Any]:
        """What a dataset reports: ``classes`` and those that are base or novel."""
        return {
            'classes': self.classes,
            'base_classes': tuple(n for n in self.groups.base if n in self.classes),
            'novel_classes': tuple(n for n in self.groups.novel if n in self.classes),
            'renames': dict(self.renames),
        }


def choose_ov_classes(
    categories: Sequence[dict[str, Any]],
    split: ClassList | None = None,
    base_classes: ClassList | None = None,
    novel_classes: ClassList | None = None,
    renames: Mapping[str, str] | None = None,
) -> OVClasses:
    """Choose the classes of a dataset among the categories of its file.

    Args:
        categories (Sequence[dict]): Those of the file; renamed in place.
        split (str | Sequence[str], optional): See :class:`.ov_coco.OVCocoDataset`.
        base_classes (str | Sequence[str], optional): See there.
        novel_classes (str | Sequence[str], optional): See there.
        renames (Mapping[str, str], optional): See there.

    Returns:
        OVClasses: The classes and their groups.

    Raises:
        ValueError: If the file lacks classes, or two of them have one name.
    """
    renames = renames or {}
    for category in categories:
        category['name'] = renames.get(category['name'], category['name'])
    names = [category['name'] for category in categories]
    groups = find_base_novel(categories, base_classes, novel_classes)
    classes = members_of_split(split, groups, names)
    _check_unique(classes, categories)
    return OVClasses(classes, groups, renames)


def members_of_split(
    split: ClassList | None, groups: BaseNovel, names: Sequence[str]
) -> tuple[str, ...]:
    """Return the names of a file that a split stands for, in their order.

    Args:
        split (str | Sequence[str], optional): See :func:`choose_ov_classes`.
        groups (BaseNovel): Base and novel classes of the file.
        names (Sequence[str]): All names of the file.

    Raises:
        ValueError: If the split is unknown, or the file lacks classes of it.
    """
    if split is None:
        return tuple(names)
    if not isinstance(split, str):
        return select_classes(tuple(split), tuple(names), 'the list of classes')
    members = {
        'base': groups.base,
        'novel': groups.novel,
        'all': groups.base + groups.novel,
    }.get(split)
    if members is None:
        return resolve_split(split, tuple(names))
    if not members:
        what = 'base or novel' if split == 'all' else split
        raise ValueError(
            f"split '{split}': no category is known as a {what} class; give "
            'base_classes and novel_classes, or leave split out to take all categories'
        )
    return tuple(name for name in names if name in members)


def _check_unique(
    classes: Sequence[str], categories: Sequence[Mapping[str, Any]]
) -> None:
    counts = Counter(category['name'] for category in categories)
    twice = [name for name in dict.fromkeys(classes) if counts[name] > 1]
    if twice:
        ids = [cat['id'] for cat in categories if cat['name'] == twice[0]]
        raise ValueError(
            f"the categories {ids} are all called '{twice[0]}', so that their names do "
            'not tell them apart; tools/dataset_converters/ov_split.py --rename gives '
            'them other names'
        )
