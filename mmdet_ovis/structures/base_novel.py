"""Which categories of a file are base and which are novel classes.

Open-vocabulary methods may be trained on masks of base classes; novel classes they have
to know by name alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .class_splits import (
    COCO_OV_BASE_CLASSES,
    COCO_OV_NOVEL_CLASSES,
    select_classes,
    split_classes,
)

ClassList = str | Sequence[str]
"""Name of a split, see :func:`.class_splits.resolve_split`, or class names."""

_GROUP_OF_MARK: Final = {
    'base': 'base',
    'seen': 'base',
    'novel': 'novel',
    'unseen': 'novel',
    'target': 'novel',
}
"""What stands under ``split`` of a category, here and in the files of others."""


@dataclass(frozen=True)
class BaseNovel:
    """Base and novel classes that a file has, each in the order of the file.

    Args:
        base (tuple[str, ...]): Possibly none.
        novel (tuple[str, ...]): Possibly none.
    """

    base: tuple[str, ...]
    novel: tuple[str, ...]

    def group(self, name: str) -> str:
        """Return ``'base'``, ``'novel'``, or ``''`` for a class that is neither."""
        if name in self.base:
            return 'base'
        return 'novel' if name in self.novel else ''


def find_base_novel(
    categories: Sequence[Mapping[str, Any]],
    base: ClassList | None = None,
    novel: ClassList | None = None,
) -> BaseNovel:
    """Find the base and novel classes of a file.

    They are what the arguments say; without these what the key ``split`` of the
    categories says (``tools/dataset_converters/ov_split.py`` writes it); without this
    COCO's 48 and 17 classes, each group only if the file has all of it.

    Args:
        categories (Sequence[Mapping]): Categories of a COCO file.
        base (str | Sequence[str], optional): Base classes: a named split or names.
        novel (str | Sequence[str], optional): Novel classes, if ``base`` is given.

    Returns:
        BaseNovel: A group of which the file has no class at all is empty: files of
        novel classes have no base classes.

    Raises:
        ValueError: If only one of the arguments is given, the file has some classes of
            a group but not all, a split is unknown, or a class is in both groups.

    Examples:
        >>> file = [{'id': 1, 'name': 'disc'}, {'id': 9, 'name': 'gear'}]
        >>> find_base_novel(  # doctest: +ELLIPSIS
        ...     file, ['disc', 'ring'], ['gear']
        ... )
        Traceback (most recent call last):
            ...
        ValueError: the list of base classes holds classes that the dataset lacks: ...
        >>> find_base_novel(file, ['disc'], ['gear'])
        BaseNovel(base=('disc',), novel=('gear',))
        >>> find_base_novel(file[1:], ['disc'], ['gear'])
        BaseNovel(base=(), novel=('gear',))
    """
    names = tuple(category['name'] for category in categories)
    if (base is None) != (novel is None):
        raise ValueError(
            'base and novel classes are given together, or neither; a class may be in '
            'neither group'
        )
    if base is not None:
        found = BaseNovel(
            _members(base, names, 'base'), _members(novel, names, 'novel')
        )
    elif any('split' in category for category in categories):
        found = BaseNovel(_marked(categories, 'base'), _marked(categories, 'novel'))
    else:
        found = BaseNovel(
            _if_complete(COCO_OV_BASE_CLASSES, names),
            _if_complete(COCO_OV_NOVEL_CLASSES, names),
        )
    both = [name for name in found.base if name in found.novel]
    if both:
        raise ValueError(f'{both} are base and novel classes at once')
    return found


def _members(classes: ClassList, names: tuple[str, ...], what: str) -> tuple[str, ...]:
    if isinstance(classes, str):
        classes = split_classes(classes, names)
    if not set(classes) & set(names):
        return ()
    return select_classes(classes, names, f'the list of {what} classes')


def _marked(categories: Sequence[Mapping[str, Any]], group: str) -> tuple[str, ...]:
    return tuple(
        category['name']
        for category in categories
        if _GROUP_OF_MARK.get(category.get('split')) == group
    )


def _if_complete(classes: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    if not set(classes) <= set(names):
        return ()
    return tuple(name for name in names if name in set(classes))
