"""LVIS v1 annotations (Gupta et al., CVPR 2019) as a COCO file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...structures.class_splits import resolve_split
from ...utils.coco import load_coco
from ...utils.tally import Tally
from .output import ConversionSummary, check_output, write_coco

_FOLDER_AND_FILE = 2
"""Parts of ``coco_url`` that name an image: ``train2017/000000391895.jpg``."""


def convert_lvis(
    ann_file: str | Path,
    out: str | Path,
    split: str | Sequence[str | int] = 'all',
) -> ConversionSummary:
    """Give an LVIS v1 file the keys that COCO readers need.

    LVIS names an image by its URL in COCO, as its training and validation images are
    spread over COCO's ``train2017`` and ``val2017``. ``file_name`` becomes
    ``train2017/000000391895.jpg``, relative to the folder of both. What only LVIS has
    (``neg_category_ids``, ``not_exhaustive_category_ids``, ``synset``, ...) stays.

    Args:
        ann_file (str | Path): ``lvis_v1_train.json`` or ``lvis_v1_val.json``.
        out (str | Path): COCO file to write.
        split (str | Sequence[str | int]): Categories to keep, with their annotations:
            ``'lvis_coco'``, ``'lvis_noncoco'`` or another split, see
            :func:`~mmdet_ovis.structures.class_splits.resolve_split`. All images stay.
            Defaults to ``'all'``.

    Returns:
        ConversionSummary: What was written.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken or not of LVIS v1, or the split is unknown;
            the message names file, index and key.
    """
    out = check_output(out, [ann_file])
    dataset = load_coco(ann_file).dataset
    left_out = Tally()
    categories = _choose_categories(dataset['categories'], split, ann_file)
    kept_ids = {category['id'] for category in categories}
    images = [
        {**image, 'file_name': _file_name(image, f'{ann_file}: images[{i}]')}
        for i, image in enumerate(dataset['images'])
    ]
    annotations = []
    for ann in dataset['annotations']:
        if ann['category_id'] in kept_ids:
            annotations.append({'iscrowd': 0, **ann})
        else:
            left_out.add('annotation of another split', f'id {ann["id"]}')
    return write_coco(
        out, images, annotations, categories, f'LVIS v1, {split}', left_out
    )


def _choose_categories(
    categories: Sequence[Mapping[str, Any]],
    split: str | Sequence[str | int],
    ann_file: str | Path,
) -> list[dict[str, Any]]:
    names = {category['id']: category['name'] for category in categories}
    try:
        kept = set(resolve_split(split, names))
    except ValueError as error:
        raise ValueError(f'{ann_file}: {error}') from None
    return [
        {'supercategory': 'object', **category}
        for category in categories
        if category['name'] in kept
    ]


def _file_name(image: Mapping[str, Any], where: str) -> str:
    url = image.get('coco_url')
    if not isinstance(url, str) or url.count('/') < _FOLDER_AND_FILE:
        raise ValueError(
            f"{where}: key 'coco_url' is {url!r}; LVIS v1 has the address of the image "
            'in COCO there (version 0.5 has not)'
        )
    return '/'.join(url.split('/')[-_FOLDER_AND_FILE:])
