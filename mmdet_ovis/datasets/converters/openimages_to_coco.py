"""Instance masks of Open Images (V5 to V7) as a COCO file.

Open Images (Kuznetsova et al., IJCV 2020; masks: Benenson et al., CVPR 2019) lists its
masks in a CSV file with one row a mask, which stands in a PNG file of its own, often of
another size than the image.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from ...utils.image import read_image
from .csv_rows import read_csv, read_rows
from .masks import annotate_mask, read_image_size
from .openimages_labels import read_absent_classes
from .output import (
    ConversionSummary,
    ConvertedImage,
    check_output,
    convert_images_of,
    write_coco,
)

_COLUMNS = ('MaskPath', 'ImageID', 'LabelName', 'BoxID')
_INSIDE = 127
"""Masks are black and white; above this is white."""


class _Row(NamedTuple):
    """A row of the mask file, as far as it is needed."""

    mask_path: str
    category_id: int
    box_id: str
    predicted_iou: float | None  # None where a mask was drawn by hand


def convert_open_images(
    masks_csv: str | Path,
    classes_csv: str | Path,
    mask_dir: str | Path,
    image_dir: str | Path,
    out: str | Path,
    workers: int = 0,
    labels_csv: str | Path | None = None,
    hierarchy: str | Path | None = None,
) -> ConversionSummary:
    """Turn the masks of the images that are there into annotations.

    Masks are brought to the size of their image. Files are looked for in their folder
    and in folders named by the first letter of the image's id (``a/a0b1.jpg`` or
    ``A/...``), as some downloaders leave them. Category ids are places in
    ``classes_csv``, hence the same for all splits.

    Args:
        masks_csv (str | Path): ``*-annotations-object-segmentation.csv``.
        classes_csv (str | Path): ``*class-descriptions-boxable.csv``, with or without
            a head line.
        mask_dir (str | Path): Folder of the mask PNGs.
        image_dir (str | Path): Folder of the images, ``<ImageID>.jpg``. Images of the
            CSV file that it does not have are left out with their masks.
        out (str | Path): COCO file to write.
        workers (int): Processes; 0 works in this one.
        labels_csv (str | Path, optional): Verified image-level labels. Images then have
            ``neg_category_ids``, the classes that are known to be absent, which
            ``OVCocoInstanceMetric`` (``verified_only``) reads.
        hierarchy (str | Path, optional): File of the hierarchy of classes, with
            ``labels_csv``: what is below an absent class is absent, too.

    Returns:
        ConversionSummary: What was written and what was left out.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If a CSV file is of another form, or no image is left; the message
            names file, row and column.
    """
    out = check_output(out, [masks_csv, classes_csv])
    for folder in (mask_dir, image_dir):
        if not Path(folder).is_dir():
            raise FileNotFoundError(f'no such folder: {folder}')
    categories = read_classes(classes_csv)
    category_ids = {category['mid']: category['id'] for category in categories}
    absent = None
    if labels_csv is not None:
        absent = read_absent_classes(labels_csv, category_ids, hierarchy)
    elif hierarchy is not None:
        raise ValueError('a hierarchy is of use with image-level labels only')
    rows = _read_rows(masks_csv, category_ids, classes_csv)
    convert = partial(_convert_image, Path(mask_dir), Path(image_dir))
    images, annotations, left_out = convert_images_of(
        convert, sorted(rows.items()), workers, 'Open Images'
    )
    for image in images if absent is not None else ():
        image['neg_category_ids'] = absent.get(Path(image['file_name']).stem, [])
    return write_coco(out, images, annotations, categories, 'Open Images', left_out)


def read_classes(path: str | Path) -> list[dict[str, Any]]:
    """Read the classes with their machine ids.

    Args:
        path (str | Path): CSV file with the columns machine id (``/m/011k07``) and
            name.

    Returns:
        list[dict[str, Any]]: COCO categories, with the machine id under ``mid``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a row is of another form; the message names file and row.
    """
    categories = []
    for number, row in read_csv(path):
        if len(row) != 2:  # machine id, name
            raise ValueError(
                f'{path}: row {number} has {len(row)} columns; machine id and name are '
                'needed'
            )
        mid, name = row
        if number == 1 and not mid.startswith('/'):
            continue  # head line
        categories.append(
            {
                'id': len(categories) + 1,
                'name': name,
                'supercategory': 'object',
                'mid': mid,
            }
        )
    return categories


def _read_rows(
    path: str | Path, category_ids: Mapping[str, int], classes_csv: str | Path
) -> dict[str, list[_Row]]:
    """Read the mask file; the rows of one image are spread over all of it."""
    by_image: dict[str, list[_Row]] = defaultdict(list)
    what = '*-annotations-object-segmentation.csv'
    for number, values_of in read_rows(path, _COLUMNS, what):
        try:
            by_image[values_of['ImageID']].append(_to_row(values_of, category_ids))
        except ValueError as error:
            raise ValueError(f'{path}: row {number}: {error}') from None
        except KeyError as error:
            raise ValueError(
                f'{path}: row {number}: LabelName {error} is not in {classes_csv}'
            ) from None
    return by_image


def _to_row(values: Mapping[str, str], category_ids: Mapping[str, int]) -> _Row:
    predicted_iou = values.get('PredictedIoU')
    return _Row(
        values['MaskPath'],
        category_ids[values['LabelName']],
        values['BoxID'],
        float(predicted_iou) if predicted_iou else None,
    )


def _convert_image(
    mask_dir: Path, image_dir: Path, entry: tuple[str, Sequence[_Row]]
) -> ConvertedImage:
    image_key, rows = entry
    result = ConvertedImage()
    path = _find(image_dir, f'{image_key}.jpg', image_key)
    if path is None:
        result.left_out.append(('image without a file', f'{image_key}.jpg'))
        return result
    try:
        size = read_image_size(path)
    except ValueError as error:
        result.left_out.append(('image that cannot be read', str(error)))
        return result
    file_name = path.relative_to(image_dir).as_posix()
    result.image = {'file_name': file_name, 'height': size[0], 'width': size[1]}
    for row in rows:
        try:
            ann = _annotate(_find(mask_dir, row.mask_path, image_key), size)
        except ValueError as error:
            result.left_out.append((str(error), row.mask_path))
            continue
        ann |= {'category_id': row.category_id, 'box_id': row.box_id}
        if row.predicted_iou is not None:
            ann['predicted_iou'] = row.predicted_iou
        result.annotations.append(ann)
    return result


def _find(folder: Path, name: str, image_key: str) -> Path | None:
    for place in ('', image_key[:1].lower(), image_key[:1].upper()):
        path = folder / place / name
        if path.is_file():
            return path
    return None


def _annotate(mask_file: Path | None, size: tuple[int, int]) -> dict[str, Any]:
    """Annotate one mask at the size of its image.

    Raises:
        ValueError: With what is wrong with the file, in a few words.
    """
    if mask_file is None:
        raise ValueError('mask without a file')
    try:
        mask = read_image(mask_file)[..., 0]
    except (OSError, ValueError):
        raise ValueError('mask that cannot be read') from None
    if mask.shape != size:
        height, width = size
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    ann = annotate_mask(mask > _INSIDE)
    if ann is None:
        raise ValueError('mask is empty')
    return ann
