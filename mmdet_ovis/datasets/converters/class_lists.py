"""Base and novel classes of a file: by name or id, by frequency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...structures.base_novel import find_base_novel
from ...structures.class_splits import split_classes
from ...utils.class_lists import write_class_list
from ...utils.coco import load_coco
from ...utils.settings import check_choice

SPLITS: Final = ('base', 'novel', 'all')

ClassEntry = str | int
"""A category by name, by id, or by the machine id of Open Images (``/m/04rmv``)."""

_Category = dict[str, Any]


@dataclass(frozen=True)
class ClassGroups:
    """Category ids of base and novel classes, each in the order of the file."""

    base: tuple[int, ...]
    novel: tuple[int, ...]

    def of_split(self, split: str) -> dict[int, str]:
        """Return the group of each category of a split.

        Raises:
            ValueError: If the split is none of ``SPLITS``, or has no class.
        """
        check_choice('split', split, SPLITS)
        groups = ('base', 'novel') if split == 'all' else (split,)
        found = {i: group for group in groups for i in getattr(self, group)}
        if not found:
            raise ValueError(f"split '{split}': the file has no class of it")
        return found


def find_groups(
    categories: Sequence[_Category],
    base: str | Sequence[ClassEntry] | None = None,
    novel: str | Sequence[ClassEntry] | None = None,
) -> ClassGroups:
    """Find base and novel categories.

    Args:
        categories (Sequence[dict]): Those of a file.
        base (str | Sequence[str | int], optional): See :func:`convert_ov_split`.
        novel (str | Sequence[str | int], optional): See there.

    Returns:
        ClassGroups: Their ids.

    Raises:
        ValueError: See there.
    """
    if base is None or novel is None:
        found = find_base_novel(categories, base, novel)
        base, novel = found.base, found.novel
    groups = []
    names = tuple(category['name'] for category in categories)
    for what, entries in (('base', base), ('novel', novel)):
        if isinstance(entries, str):
            entries = split_classes(entries, names)
        ids = [find_category(entry, categories)['id'] for entry in entries]
        twice = [
            entry for entry, i in zip(entries, ids, strict=True) if ids.count(i) > 1
        ]
        if twice:
            raise ValueError(f'the list of {what} classes has {twice[0]!r} twice')
        groups.append(tuple(c['id'] for c in categories if c['id'] in set(ids)))
    both = sorted(set(groups[0]) & set(groups[1]))
    if both:
        raise ValueError(f'the categories {both} are base and novel classes at once')
    return ClassGroups(*groups)


def find_category(entry: ClassEntry, categories: Sequence[_Category]) -> _Category:
    """Find a category by name, id or machine id.

    Args:
        entry (str | int): As a user gave it; an id may be a string of digits.
        categories (Sequence[dict]): Those of a file.

    Returns:
        dict: The category.

    Raises:
        ValueError: If there is none, or several have the name.

    Examples:
        >>> mice = [{'id': 1, 'name': 'Mouse', 'mid': '/m/04rmv'},
        ...         {'id': 2, 'name': 'Mouse', 'mid': '/m/020lf'}]
        >>> find_category('/m/020lf', mice)['id']
        2
        >>> find_category('Mouse', mice)
        Traceback (most recent call last):
            ...
        ValueError: 'Mouse' is the name of 1 (/m/04rmv), 2 (/m/020lf); give the id
    """
    entry = str(entry)
    for key in ('name', 'id', 'mid', 'freebase_id'):
        found = [cat for cat in categories if str(cat.get(key, '')) == entry]
        if len(found) > 1:
            shown = ', '.join(
                f'{cat["id"]} ({cat["mid"]})' if 'mid' in cat else str(cat['id'])
                for cat in found
            )
            raise ValueError(f"'{entry}' is the name of {shown}; give the id")
        if found:
            return found[0]
    raise ValueError(f"no category has the name or id '{entry}'")


def rank_classes(
    ann_file: str | Path,
    num_base: int,
    num_novel: int | None = None,
    by: str = 'instances',
) -> tuple[list[ClassEntry], list[ClassEntry]]:
    """Make the most frequent classes of a file its base classes.

    This is how the 300 classes with masks of Open Images became 200 base and 100 novel
    ones (Huynh et al., CVPR 2022). Equally frequent classes follow each other by id;
    classes without an annotation are neither.

    Args:
        ann_file (str | Path): COCO file, usually that of the training images.
        num_base (int): Number of base classes.
        num_novel (int, optional): Number of novel classes, the most frequent of the
            others. Defaults to None: all others.
        by (str): Count ``'instances'``, or ``'images'`` that have one.

    Returns:
        tuple[list, list]: Base and novel classes, the most frequent first; by name, or
        by id where several categories have the name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken, or has fewer classes than that.
    """
    check_choice('by', by, ('instances', 'images'))
    dataset = load_coco(ann_file).dataset
    pairs: Iterable = [
        (ann['category_id'], ann['image_id']) for ann in dataset['annotations']
    ]
    counts = Counter(
        category for category, _ in (set(pairs) if by == 'images' else pairs)
    )
    ranked = sorted(
        (cat for cat in dataset['categories'] if counts[cat['id']]),
        key=lambda cat: (-counts[cat['id']], cat['id']),
    )
    if num_base < 1 or len(ranked) < num_base + max(1, num_novel or 1):
        raise ValueError(
            f'{ann_file} has annotations of {len(ranked)} classes, which do not make '
            f'{num_base} base and {num_novel or "some"} novel classes'
        )
    names = Counter(cat['name'] for cat in dataset['categories'])
    entries = [cat['name'] if names[cat['name']] == 1 else cat['id'] for cat in ranked]
    end = None if num_novel is None else num_base + num_novel
    return entries[:num_base], entries[num_base:end]


def rank_to_files(
    ann_file: str | Path, out_dir: str | Path, numbers: Sequence[int], by: str
) -> tuple[list[ClassEntry], list[ClassEntry]]:
    """Rank classes and keep the lists as ``base.txt`` and ``novel.txt``.

    Args:
        ann_file (str | Path): See :func:`rank_classes`.
        out_dir (str | Path): Folder of the lists.
        numbers (Sequence[int]): Number of base classes, and maybe of novel ones.
        by (str): See :func:`rank_classes`.

    Returns:
        tuple[list, list]: See :func:`rank_classes`.

    Raises:
        ValueError: If there are not one or two numbers; and see there.
    """
    if len(numbers) not in (1, 2):
        raise ValueError('--rank takes the number of base and maybe of novel classes')
    groups = rank_classes(ann_file, *numbers, by=by)
    for name, entries in zip(('base', 'novel'), groups, strict=True):
        write_class_list(Path(out_dir, f'{name}.txt'), entries)
    return groups


def parse_renames(texts: Sequence[str]) -> dict[ClassEntry, str]:
    """Read ``CLASS=NAME`` of a command line.

    Raises:
        ValueError: If something has another form.

    Examples:
        >>> parse_renames(['/m/020lf=Computer mouse'])
        {'/m/020lf': 'Computer mouse'}
    """
    renames: dict[ClassEntry, str] = {}
    for text in texts:
        entry, equals, name = text.partition('=')
        if not (entry and equals and name.strip()):
            raise ValueError(f"--rename takes CLASS=NAME, not '{text}'")
        renames[entry] = name.strip()
    return renames
