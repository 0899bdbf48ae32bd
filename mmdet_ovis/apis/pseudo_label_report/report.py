"""A report on a file of pseudo labels, for people and for machines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...pseudo_labels.gt_iou import fill_gt_iou
from ...utils.image import write_image
from ...utils.io import atomic_write_bytes, atomic_write_json, atomic_write_text
from ...utils.progress import show_progress
from ...utils.settings import check_choice
from .charts import draw_histograms
from .inputs import ReportInputs
from .numbers import MaskTable
from .pages import FORMATS, render
from .pictures import choose_images, draw_mosaic, rank_images
from .quality import (
    ImageQuality,
    count_outcomes,
    judge_images,
    measure_quality,
)
from .text import HISTOGRAMS, compose, mosaic_file


def make_report(
    masks: str | os.PathLike,
    images: str | os.PathLike,
    out: str | os.PathLike,
    gt: str | os.PathLike | None = None,
    seen_class: str | Sequence[str] | None = None,
    form: str = 'md',
    num_pictures: int = 8,
    max_masks: int = 20,
) -> dict[str, Any]:
    """Write a page with counts, histograms, recall and pictures of pseudo labels.

    Args:
        masks (str | PathLike): Pseudo labels in any form that
            :func:`~mmdet_ovis.pseudo_labels.reader.load_pseudo_annotations` reads.
        images (str | PathLike): Folder of the images. File names are those of ``gt``,
            or of ``masks`` if it is a COCO file; else the number at the end of a name
            is the image id. Images that are missing are counted and drawn gray.
        out (str | PathLike): Folder for ``report.md`` or ``report.html``, its
            pictures, and the numbers in ``report.json``.
        gt (str | PathLike, optional): COCO file with the objects of the images, those
            of unseen classes too. Defaults to None: no recall.
        seen_class (str | Sequence[str], optional): Classes that were labelled when the
            masks were made, see
            :func:`~mmdet_ovis.structures.class_splits.resolve_split`. Recall is given
            for the others, too. Defaults to None: all classes are one.
        form (str): ``'md'`` or ``'html'``.
        num_pictures (int): Images in each mosaic.
        max_masks (int): Masks that are drawn on an image, best rank first.

    Returns:
        dict[str, Any]: The content of ``report.json``.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If a file is broken, masks and ground truth are of different
            images, or an argument is wrong.
    """
    check_choice('format', form, FORMATS)
    if num_pictures < 1 or max_masks < 1:
        raise ValueError('at least one picture, and one mask on it, must be drawn')
    inputs = ReportInputs.read(masks, images, gt, seen_class)
    qualities: dict[int, ImageQuality] = {}
    if inputs.ground_truth:
        _fill_gt_ious(inputs)
        qualities = judge_images(inputs.by_image, inputs.ground_truth, inputs.splits)
    table = MaskTable.of(inputs.by_image, inputs.n_images, qualities)
    numbers = {
        'file': str(masks),
        **table.counts(),
        'distributions': table.distributions(),
        **(_quality(inputs, qualities) if qualities else {}),
    }
    folder = Path(out)
    ranked = rank_images(inputs.by_image, qualities)
    chosen = choose_images(list(ranked), num_pictures)
    atomic_write_bytes(folder / HISTOGRAMS, draw_histograms(table))
    _draw_mosaics(folder, chosen, inputs, qualities, max_masks)
    numbers['images_not_found'] = inputs.images.count_missing(inputs.by_image)
    numbers['images_drawn_gray'] = sorted(inputs.images.unreadable)
    numbers['pictures'] = {
        name: {str(image_id): ranked[image_id] for image_id in ids}
        for name, ids in chosen.items()
    }
    page = render(compose(numbers, inputs), form)
    atomic_write_text(folder / f'report.{form}', page)
    atomic_write_json(folder / 'report.json', numbers, indent=2)
    return numbers


def _fill_gt_ious(inputs: ReportInputs) -> None:
    """Compute overlaps with seen objects where the masks do not tell them."""
    seen = inputs.splits.get('seen')
    if seen is None:
        return
    for image_id, anns in inputs.by_image.items():
        if any(ann['gt_iou'] is None for ann in anns):
            objects = inputs.ground_truth.objects(image_id, 'segm')
            wanted = np.isin(objects.category_ids, list(seen)) & ~objects.crowd
            rles = [objects.shapes[i] for i in np.flatnonzero(wanted)]
            inputs.by_image[image_id] = fill_gt_iou(anns, rles)


def _quality(
    inputs: ReportInputs, qualities: Mapping[int, ImageQuality]
) -> dict[str, Any]:
    """Measure all masks, and if there are several sources each of them alone."""
    common = inputs.ground_truth, inputs.splits
    where = str(inputs.masks)
    numbers: dict[str, Any] = {
        'quality': measure_quality(inputs.by_image, qualities, *common, where),
        'outcomes': count_outcomes(qualities.values()),
    }
    sources = {ann['source'] for anns in inputs.by_image.values() for ann in anns}
    if len(sources) > 1:
        numbers['quality_by_source'] = {}
    for source in sorted(sources) if len(sources) > 1 else ():
        part = {
            image_id: [ann for ann in anns if ann['source'] == source]
            for image_id, anns in inputs.by_image.items()
        }
        judged = judge_images(part, *common)
        numbers['quality_by_source'][source] = measure_quality(
            part, judged, *common, where
        )
    return numbers


def _draw_mosaics(
    folder: Path,
    chosen: Mapping[str, Sequence[int]],
    inputs: ReportInputs,
    qualities: Mapping[int, ImageQuality],
    max_masks: int,
) -> None:
    with show_progress('mosaics', sum(map(len, chosen.values()))) as advance:
        for name, image_ids in chosen.items():
            mosaic = draw_mosaic(image_ids, inputs, qualities, max_masks)
            write_image(folder / mosaic_file(name), mosaic)
            for _ in image_ids:
                advance()
