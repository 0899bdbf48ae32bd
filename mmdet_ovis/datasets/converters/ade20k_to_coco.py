"""The full ADE20K (release 2021_17_01) as a class-agnostic COCO file.

ADE20K (Zhou et al., IJCV 2019) keeps beside ``X.jpg`` a folder ``X`` with one PNG an
instance, 255 where it is visible and 128 where something hides it, and ``X.json`` with
the names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...utils.image import read_image
from .images_to_coco import walk_files
from .masks import annotate_mask, read_image_size
from .output import (
    OBJECT_CATEGORY,
    ConversionSummary,
    ConvertedImage,
    check_output,
    convert_images_of,
    write_coco,
)

_VISIBLE = 255


def convert_ade20k(
    folder: str | Path, out: str | Path, parts: bool = True, workers: int = 0
) -> ConversionSummary:
    """Turn the visible pixels of every instance PNG into an annotation.

    This is how GGN's authors made their class-agnostic ADE20K. Annotations keep the
    ``name`` of the object and its ``part_level`` (0 is a whole object, 1 a part, 2 a
    part of a part) where the JSON file beside the image has them.

    Args:
        folder (str | Path): ``ADE20K_2021_17_01/images/ADE/validation`` or
            ``training``. File names in the output are relative to it.
        out (str | Path): COCO file to write.
        parts (bool): Keep parts of objects too, as GGN's authors did. Defaults to
            True.
        workers (int): Processes; 0 works in this one.

    Returns:
        ConversionSummary: What was written and what was left out.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If no image with instances is below it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'no such folder: {folder}')
    out = check_output(out, [])
    names = sorted(n for n in walk_files(folder) if Path(n).suffix.lower() == '.jpg')
    convert = partial(_convert_image, folder, parts)
    images, annotations, left_out = convert_images_of(convert, names, workers, 'ADE20K')
    return write_coco(
        out, images, annotations, [OBJECT_CATEGORY], 'ADE20K 2021_17_01', left_out
    )


def _convert_image(folder: Path, parts: bool, name: str) -> ConvertedImage:
    path, result = folder / name, ConvertedImage()
    instance_folder = path.with_suffix('')
    if not instance_folder.is_dir():
        result.left_out.append(('image without a folder of instances', name))
        return result
    try:
        size = read_image_size(path)
    except (OSError, ValueError) as error:
        result.left_out.append(('image that cannot be read', str(error)))
        return result
    result.image = {'file_name': name, 'height': size[0], 'width': size[1]}
    objects = _read_objects(path.with_suffix('.json'), result)
    for mask_file in sorted(instance_folder.glob('*.png')):
        place = f'{instance_folder.relative_to(folder).as_posix()}/{mask_file.name}'
        described = objects.get(mask_file.name, {})
        if not parts and described.get('part_level', 0) > 0:
            result.left_out.append(('part of an object', place))
            continue
        try:
            ann = _annotate(mask_file, size)
        except (OSError, ValueError) as error:
            result.left_out.append((str(error), place))
            continue
        category = {'category_id': OBJECT_CATEGORY['id']}
        result.annotations.append({**category, **ann, **described})
    return result


def _annotate(mask_file: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Annotate the visible pixels of one instance.

    Raises:
        ValueError: With what is wrong with the file, in a few words.
    """
    try:
        # The first channel as OpenCV counts them, blue, is the recipe's.
        channel = read_image(mask_file)[..., 2]
    except (OSError, ValueError):
        raise ValueError('mask that cannot be read') from None
    if channel.shape != size:
        raise ValueError('mask of another size than its image')
    ann = annotate_mask(channel == _VISIBLE)
    if ann is None:
        raise ValueError('instance without a visible pixel')
    return ann


def _read_objects(path: Path, result: ConvertedImage) -> dict[str, dict[str, Any]]:
    """Read name and part level of each instance, by the name of its PNG."""
    try:
        data = path.read_bytes()
    except OSError:
        result.left_out.append(('names: no JSON file beside the image', path.name))
        return {}
    try:
        text = data.decode('utf-8')
    except UnicodeDecodeError:
        text = data.decode('latin-1')  # The release names no encoding.
    try:
        objects = json.loads(text, strict=False)['annotation']['object']
        objects = [objects] if isinstance(objects, Mapping) else objects
        return {
            Path(entry['instance_mask']).name: {
                'name': entry['name'],
                'part_level': int(entry['parts']['part_level']),
            }
            for entry in objects
        }
    except (KeyError, TypeError, ValueError):
        result.left_out.append(('names: the JSON file is of another form', path.name))
        return {}
