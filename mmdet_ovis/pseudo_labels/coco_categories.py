"""Category ids for names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mmdet.datasets import CocoDataset

from ..structures.vocabulary import name_key

_LAST_COCO_ID: Final = 90
_UNUSED_COCO_IDS: Final = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})


def coco_category_ids() -> dict[str, int]:
    """Return the ids of COCO's 80 categories by name.

    Examples:
        >>> ids = coco_category_ids()
        >>> len(ids), ids['person'], ids['dog'], ids['toothbrush']
        (80, 1, 18, 90)
    """
    used = (i for i in range(1, _LAST_COCO_ID + 1) if i not in _UNUSED_COCO_IDS)
    return dict(zip(CocoDataset.METAINFO['classes'], used, strict=True))


def number_names(names: Sequence[str]) -> list[dict[str, Any]]:
    """Make categories of the names of a vocabulary.

    COCO's names have COCO's ids, and others follow in their order behind COCO's last
    one, 90; without a name of COCO they begin with 1. So an id depends on the
    vocabulary only, not on what has been found.

    Args:
        names (Sequence[str]): Unique but for case.

    Returns:
        list[dict]: COCO categories, by id.

    Examples:
        >>> [cat['id'] for cat in number_names(['gnu', 'dog', 'emu'])]
        [18, 91, 92]
        >>> [cat['id'] for cat in number_names(['gnu', 'emu'])]
        [1, 2]
    """
    coco_ids = {name_key(name): i for name, i in coco_category_ids().items()}
    known = {name: coco_ids.get(name_key(name)) for name in names}
    start = 1 + (_LAST_COCO_ID if any(known.values()) else 0)
    others = [name for name in names if known[name] is None]
    ids = {**known, **{name: start + i for i, name in enumerate(others)}}
    categories = ({'id': ids[n], 'name': n, 'supercategory': 'object'} for n in names)
    return sorted(categories, key=lambda category: category['id'])
