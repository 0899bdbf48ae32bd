"""What all converters write, and what they say at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from ...utils.io import atomic_write_json
from ...utils.parallel import map_in_processes
from ...utils.progress import show_progress
from ...utils.tally import Tally

OBJECT_CATEGORY: Final = {'id': 1, 'name': 'object', 'supercategory': 'object'}
"""The one category of a class-agnostic file (split ``object``)."""


Task = TypeVar('Task')


@dataclass
class ConvertedImage:
    """What became of one image.

    Args:
        image (dict, optional): COCO image without ``id``; None if it is left out.
        annotations (list[dict]): COCO annotations without ``id`` and ``image_id``.
        left_out (list[tuple[str, str]]): Reason and place of what is left out.
    """

    image: dict[str, Any] | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ConversionSummary:
    """What a converter wrote and what it left out.

    Args:
        out (Path): The COCO file.
        n_images (int): Its images.
        n_annotations (int): Its annotations.
        n_categories (int): Its categories.
        left_out (Tally): What did not enter it, by reason.
    """

    out: Path
    n_images: int
    n_annotations: int
    n_categories: int
    left_out: Tally

    def __str__(self) -> str:
        """Text for a terminal; nothing that was left out goes unsaid."""
        head = (
            f'{self.out}: {self.n_images} images, {self.n_annotations} annotations, '
            f'categories: {self.n_categories}'
        )
        return '\n'.join([head, *(f'  left out: {x}' for x in self.left_out.lines())])


def check_output(out: str | Path, sources: Sequence[str | Path]) -> Path:
    """Refuse to overwrite what is read, before the work begins.

    Args:
        out (str | Path): File to write.
        sources (Sequence[str | Path]): Files that are read.

    Returns:
        Path: The output.

    Raises:
        ValueError: If the output is one of the sources, or a folder.
    """
    out = Path(out)
    if out.is_dir():
        raise ValueError(f'{out} is a folder; name the file to write in it')
    if out.resolve() in {Path(source).resolve() for source in sources}:
        raise ValueError(f'{out} is read by this job, choose another output')
    return out


def write_coco(
    out: Path,
    images: Sequence[dict[str, Any]],
    annotations: Sequence[dict[str, Any]],
    categories: Sequence[dict[str, Any]],
    description: str,
    left_out: Tally,
) -> ConversionSummary:
    """Write a COCO file, whole or not at all.

    Args:
        out (Path): File to write.
        images (Sequence[dict]): With ``id``, ``file_name``, ``height``, ``width``.
        annotations (Sequence[dict]): Each with an ``id`` of its own.
        categories (Sequence[dict]): With ``id``, ``name``, ``supercategory``.
        description (str): Goes into ``info``.
        left_out (Tally): What the converter left out.

    Returns:
        ConversionSummary: What was written.

    Raises:
        ValueError: If there is no image: the folder or file was most likely not the
            one that was meant. The message says what was left out.
        OSError: If the file cannot be written.
    """
    if not images:
        reasons = f' (left out: {"; ".join(left_out.lines())})' if left_out else ''
        raise ValueError(f'no image to write to {out}{reasons}')
    content = {
        'info': {'description': description},
        'licenses': [],
        'images': images,
        'annotations': annotations,
        'categories': categories,
    }
    atomic_write_json(out, content)
    return ConversionSummary(
        out, len(images), len(annotations), len(categories), left_out
    )


def convert_images_of(
    convert: Callable[[Task], ConvertedImage],
    tasks: Sequence[Task],
    workers: int,
    title: str,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Tally]:
    """Convert image after image and number images and annotations, both from 1.

    Args:
        convert (Callable): From a task to an image, see
            :func:`~mmdet_ovis.utils.parallel.map_in_processes`.
        tasks (Sequence): One an image, in the order of the output.
        workers (int): Processes; 0 works in this one.
        title (str): Of the progress bar.

    Returns:
        tuple[list[dict], list[dict], Tally]: Images, annotations, and what was left
        out.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    left_out = Tally()
    with show_progress(title, len(tasks)) as advance:
        for result in map_in_processes(convert, tasks, workers):
            left_out.extend(result.left_out)
            if result.image is not None:
                image_id = len(images) + 1
                images.append({'id': image_id, **result.image})
                for ann in result.annotations:
                    number = {'id': len(annotations) + 1, 'image_id': image_id}
                    annotations.append({**number, **ann})
            advance()
    return images, annotations, left_out
