"""One small file an image, for datasets that read pseudo labels while they train."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

from mmengine.logging import MMLogger

from ..structures.pseudo_annotation import (
    PSEUDO_DEFAULTS,
    PseudoAnnotation,
    check_pseudo_annotations,
)
from ..utils.io import atomic_write_json, read_json
from ..utils.progress import show_progress
from .reader import PseudoImage, iter_pseudo_images, once_per_image


def per_image_file(ann_dir: str | Path, image_id: int) -> Path:
    """Name the file of one image: ``{image_id}.json``."""
    return Path(ann_dir, f'{image_id}.json')


def export_per_image(
    masks: str | Path, ann_dir: str | Path, image_ids: Sequence[int] | None = None
) -> int:
    """Write the pseudo annotations of each image to a file of its own.

    Each file is a JSON list of the annotations of its image, best first.

    Args:
        masks (str | Path): Pseudo annotations, see
            :func:`~.reader.load_pseudo_annotations`.
        ann_dir (str | Path): Folder of the files; made where it is missing.
        image_ids (Sequence[int], optional): All images of the dataset; those without
            a mask get an empty list. Defaults to None: the images with masks.

    Returns:
        int: Number of files.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken or has masks of an image that is not among
            ``image_ids``.
    """
    images = once_per_image(iter_pseudo_images(masks))
    return write_per_image(images, ann_dir, image_ids)


def write_per_image(
    images: Iterable[PseudoImage],
    ann_dir: str | Path,
    image_ids: Sequence[int] | None = None,
) -> int:
    """Write one file for each image; see :func:`export_per_image`.

    Args:
        images (Iterable[PseudoImage]): Each image once.
        ann_dir (str | Path): Folder of the files.
        image_ids (Sequence[int], optional): All images of the dataset.

    Returns:
        int: Number of files.

    Raises:
        ValueError: If there are masks of an image that is not among ``image_ids``.
    """
    wanted = None if image_ids is None else set(image_ids)
    total = 0 if wanted is None else len(wanted)
    written: set[int] = set()
    progress = nullcontext(lambda: None)
    if wanted is not None:
        progress = show_progress('one file an image', total)
    with progress as advance:
        for image in images:
            if wanted is not None and image.image_id not in wanted:
                raise ValueError(
                    f'{image.places[0]}: image_id {image.image_id} is not among the '
                    f'{total} images to export; are these the masks of another '
                    'dataset or split?'
                )
            _write(ann_dir, image.image_id, image.annotations)
            written.add(image.image_id)
            advance()
        for image_id in sorted((wanted or set()) - written):
            _write(ann_dir, image_id, [])
            written.add(image_id)
            advance()
    _warn_of_others(Path(ann_dir), written)
    return len(written)


def _write(ann_dir: str | Path, image_id: int, anns: Sequence) -> None:
    atomic_write_json(per_image_file(ann_dir, image_id), list(anns))


def _warn_of_others(ann_dir: Path, written: set[int]) -> None:
    """Say so if the folder holds labels of an earlier export."""
    names = {path.stem for path in ann_dir.glob('*.json') if path.stem.isdigit()}
    others = len(names - set(map(str, written)))
    if others:
        MMLogger.get_current_instance().warning(
            '%s holds files of %d other images, which stay as they are', ann_dir, others
        )


def read_per_image(ann_dir: str | Path, image_id: int) -> list[PseudoAnnotation]:
    """Read what :func:`export_per_image` wrote for one image.

    Args:
        ann_dir (str | Path): Folder of the files.
        image_id (int): The image.

    Returns:
        list[PseudoAnnotation]: Best rank first; empty if the image has no file.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the file is broken or holds masks of another image; the message
            names file, index and key.
    """
    path = per_image_file(ann_dir, image_id)
    try:
        content = read_json(path)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise FileNotFoundError(f'no such folder: {path.parent}') from None
        return []
    if not isinstance(content, list):
        raise ValueError(
            f'{path} holds a {type(content).__name__}; the masks of one image are a '
            'list (--per-image-dir of tools/merge_annotations.py writes it)'
        )
    places = [f'{path}[{i}]' for i in range(len(content))]
    check_pseudo_annotations(content, places)
    for where, ann in zip(places, content, strict=True):
        if ann['image_id'] != image_id:
            raise ValueError(
                f'{where}: the mask is of image_id {ann["image_id"]}, the file '
                f'name says {image_id}; was the file renamed?'
            )
    anns = [{**PSEUDO_DEFAULTS, **ann} for ann in content]
    return sorted(anns, key=lambda ann: ann['rank'])
