"""Files of base, novel and all classes for open-vocabulary training and evaluation.

The protocol is that of Zareian et al. (CVPR 2021), with COCO's 48 base and 17 novel
classes of Bansal et al. (ECCV 2018): a file has the categories of its split, their
annotations, and the images that have one. Novel objects in the images of the base
split are not labelled, as they would not be in practice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from mmengine.logging import MMLogger

from ...language.coco_embeddings import CLIP_KEY, add_coco_embeddings
from ...language.embedding_bank import TextEmbeddingBank
from ...utils.coco import load_coco
from ...utils.tally import Tally
from .class_lists import SPLITS, ClassEntry, find_category, find_groups
from .output import ConversionSummary, check_output, write_coco

SEEN_NAMES: Final = {'base': 'seen', 'novel': 'unseen'}
"""What OVR-CNN and CMPL call the splits."""

_QUOTED: Final = {
    (118_287, 'base'): {'images': 107_761, 'objects': 665_387},
    (5_000, 'all'): {'images': 4_836, 'objects': 33_152},
}
"""Sizes that papers give for COCO 2017, by images of the whole file and split."""


def convert_ov_split(
    ann_file: str | Path,
    out_dir: str | Path,
    splits: Sequence[str] = SPLITS,
    base: str | Sequence[ClassEntry] | None = None,
    novel: str | Sequence[ClassEntry] | None = None,
    renames: Mapping[ClassEntry, str] | None = None,
    bank: TextEmbeddingBank | None = None,
    key: str = CLIP_KEY,
    names: Mapping[str, str] = MappingProxyType({}),
) -> list[ConversionSummary]:
    """Write one file a split: ``<out_dir>/<name of ann_file>_<split>.json``.

    Category ids, and the order of everything, stay as they are. Categories get
    ``split``: ``'base'`` or ``'novel'``.

    Args:
        ann_file (str | Path): COCO file with the objects of all classes.
        out_dir (str | Path): Folder to write to.
        splits (Sequence[str]): Of ``'base'``, ``'novel'`` and ``'all'``.
        base (str | Sequence[str | int], optional): Base classes: a named split, or
            names, ids and machine ids. Defaults to None: COCO's 48, or what the file
            says.
        novel (str | Sequence[str | int], optional): Novel classes, with ``base``.
        renames (Mapping[str | int, str], optional): New names of categories, by name,
            id or machine id. Lists and files have the new names.
        bank (TextEmbeddingBank, optional): Text vectors that go into the categories, as
            the code of OVR-CNN, CMPL and Mask-free OVIS reads them.
        key (str): Under which they go: ``categories[i]['embedding'][key]``.
        names (Mapping[str, str]): Other names of splits, in files and their names, such
            as `SEEN_NAMES`.

    Returns:
        list[ConversionSummary]: One a split.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken, a class is not in it, is given twice or by a name
            that several categories have, a split is empty, or the bank lacks a class.
    """
    stem = Path(ann_file).stem
    files = [f'{stem}_{names.get(split, split)}.json' for split in splits]
    paths = [check_output(Path(out_dir, file), [ann_file]) for file in files]
    dataset = load_coco(ann_file).dataset
    try:
        categories = _rename(dataset['categories'], renames or {})
        groups = find_groups(categories, base, novel)
        parts = [groups.of_split(split) for split in splits]
        for part in parts:
            of_part = [c for c in categories if c['id'] in part]
            _check_names(of_part)
            if bank is not None:
                bank.select(category['name'] for category in of_part)
    except ValueError as error:
        raise ValueError(f'{ann_file}: {error}') from None
    summaries = []
    for path, split, part in zip(paths, splits, parts, strict=True):
        marked = [
            {**category, 'split': names.get(group, group)}
            for category in categories
            if (group := part.get(category['id'])) is not None
        ]
        content = {**dataset, 'categories': marked}
        if bank is not None:
            content = add_coco_embeddings(content, bank, key)
        summary = _write_split(content, path, split)
        if base is None:
            _compare(summary, split, dataset)
        summaries.append(summary)
    return summaries


def _rename(
    categories: Sequence[dict[str, Any]], renames: Mapping[ClassEntry, str]
) -> list[dict[str, Any]]:
    new = {find_category(entry, categories)['id']: n for entry, n in renames.items()}
    return [{**cat, 'name': new.get(cat['id'], cat['name'])} for cat in categories]


def _check_names(categories: Sequence[dict[str, Any]]) -> None:
    counts = Counter(cat['name'] for cat in categories)
    for category in categories:
        if counts[category['name']] > 1:
            ids = [c['id'] for c in categories if c['name'] == category['name']]
            raise ValueError(
                f"the categories {ids} are all called '{category['name']}'; give them "
                'names of their own with --rename'
            )


def _write_split(
    dataset: Mapping[str, Any], path: Path, split: str
) -> ConversionSummary:
    """Write the categories, their annotations and the images that have one."""
    part = {category['id'] for category in dataset['categories']}
    left_out = Tally()
    annotations = []
    for ann in dataset['annotations']:
        if ann['category_id'] in part:
            annotations.append(ann)
        else:
            left_out.add('annotation of another class', f'id {ann["id"]}')
    with_object = {ann['image_id'] for ann in annotations}
    images = []
    for image in dataset['images']:
        if image['id'] in with_object:
            images.append(image)
        else:
            left_out.add('image without an object of the split', f'id {image["id"]}')
    description = f'{dataset.get("info", {}).get("description", "")}, {split}'
    return write_coco(
        path, images, annotations, dataset['categories'], description, left_out
    )


def _compare(
    summary: ConversionSummary, split: str, dataset: Mapping[str, Any]
) -> None:
    """Warn if a split of COCO 2017 has not the size that papers give."""
    quoted = _QUOTED.get((len(dataset['images']), split))
    if quoted is None:
        return
    made = {'images': summary.n_images, 'objects': summary.n_annotations}
    for what, number in quoted.items():
        if made[what] != number:
            MMLogger.get_current_instance().warning(
                '%s: %d %s; papers give %d for this split of COCO 2017, maybe counted '
                'without crowds or objects of no size',
                *(summary.out, made[what], what, number),
            )
