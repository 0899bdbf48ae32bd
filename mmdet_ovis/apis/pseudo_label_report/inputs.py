"""What a report on pseudo labels is made from: masks, images, ground truth."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...evaluation.coco_objects import GroundTruth
from ...evaluation.open_world import split_category_ids
from ...pseudo_labels.reader import load_pseudo_annotations
from ...structures.class_splits import resolve_split
from ...structures.pseudo_annotation import PseudoAnnotation
from ...utils.coco import load_coco
from ...utils.image import read_image
from ...utils.json_stream import open_json

_GRAY = 128


@dataclass(frozen=True)
class ReportInputs:
    """Pseudo labels with what is known of their images.

    Args:
        masks (Path): The file of pseudo labels.
        by_image (dict[int, list[PseudoAnnotation]]): Its masks, best rank first.
        n_images (int): Images, those without masks too where a file tells them.
        ground_truth (GroundTruth, optional): Objects of the images.
        splits (Mapping[str, set[int]]): Category ids of ``all``, and where classes
            are seen of ``seen`` and ``unseen``; empty without ground truth.
        images (ImageFolder): Where the pictures are.
    """

    masks: Path
    by_image: dict[int, list[PseudoAnnotation]]
    n_images: int
    ground_truth: GroundTruth | None
    splits: Mapping[str, set[int]]
    images: ImageFolder

    @classmethod
    def read(
        cls,
        masks: str | os.PathLike,
        images: str | os.PathLike,
        gt: str | os.PathLike | None = None,
        seen_class: str | Sequence[str] | None = None,
    ) -> ReportInputs:
        """Read the files; see :func:`.pseudo_label_report.make_report`.

        Raises:
            FileNotFoundError: If a file or folder is missing.
            ValueError: If a file is broken, holds no mask, or masks and ground truth
                are of different images; the message names file, index and key.
        """
        if seen_class is not None and gt is None:
            raise ValueError('--seen-class says which classes of --gt are seen')
        folder = Path(images)
        if not folder.is_dir():
            raise FileNotFoundError(f'no such folder of images: {folder}')
        masks = Path(masks)
        truth = GroundTruth(load_coco(gt).dataset, str(gt)) if gt else None
        by_image = load_pseudo_annotations(masks, truth.sizes if truth else None)
        if not by_image:
            raise ValueError(f'{masks} holds no mask, so there is nothing to report')
        if truth:
            for image_id in by_image:
                truth.check_image_id(image_id, str(masks))
        n_images, names = _images_of(gt or masks)
        return cls(
            masks=masks,
            by_image=by_image,
            n_images=n_images or len(by_image),
            ground_truth=truth,
            splits=_splits(truth, seen_class) if truth else {},
            images=ImageFolder(folder, names or None),
        )


class ImageFolder:
    """Finds the images of a dataset.

    Args:
        folder (Path): Where they are.
        names (Mapping[int, str], optional): File names by image id. Defaults to None:
            the number at the end of a file name is the id, as in COCO.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, 'COCO_train2014_000000000009.jpg')
        ...     path.touch()
        ...     ImageFolder(Path(folder)).path(9).name
        'COCO_train2014_000000000009.jpg'
    """

    def __init__(self, folder: Path, names: Mapping[int, str] | None = None) -> None:
        self.folder = folder
        self._paths = {} if names is not None else _by_number(folder)
        for image_id, name in (names or {}).items():
            self._paths[image_id] = folder / name
        self.unreadable: set[int] = set()

    def path(self, image_id: int) -> Path | None:
        """Name the file of an image; None if nothing tells it."""
        return self._paths.get(image_id)

    def count_missing(self, image_ids: Iterable[int]) -> int:
        """Count the images that have no file."""
        paths = map(self.path, image_ids)
        return sum(path is None or not path.is_file() for path in paths)

    def read(self, image_id: int, size: tuple[int, int]) -> np.ndarray:
        """Read an image; one that is missing or broken is gray and noted.

        Args:
            image_id (int): The image.
            size (tuple[int, int]): Height and width that it must have.

        Returns:
            np.ndarray: RGB, (H, W, 3) uint8.
        """
        path = self.path(image_id)
        try:
            image = read_image(path) if path else None
        except (FileNotFoundError, ValueError):
            image = None
        if image is None or image.shape[:2] != size:
            self.unreadable.add(image_id)
            return np.full((*size, 3), _GRAY, np.uint8)
        return image


def _by_number(folder: Path) -> dict[int, Path]:
    """Find files by the number at the end of their names."""
    numbers = ((re.search(r'(\d+)$', p.stem), p) for p in sorted(folder.iterdir()))
    return {int(number[1]): path for number, path in numbers if number}


def _images_of(path: str | os.PathLike) -> tuple[int, dict[int, str]]:
    """Say which images a file knows.

    Args:
        path (str | PathLike): A list of lists, a COCO file, or a results file, which
            knows none.

    Returns:
        tuple[int, dict[int, str]]: How many, and file names by id where it tells them.
    """
    with open_json(path) as stream:
        if stream.kind is list:
            return sum(isinstance(x, list) for x in stream.elements()), {}
        images: Any = []
        for key in stream.members():
            if key == 'images':
                images = stream.value()
            else:
                stream.skip()
    named = (image for image in images if {'id', 'file_name'} <= image.keys())
    return len(images), {image['id']: image['file_name'] for image in named}


def _splits(
    truth: GroundTruth, seen_class: str | Sequence[str] | None
) -> dict[str, set[int]]:
    everything = {'all': set(truth.categories)}
    if seen_class is None:
        return everything
    names: Any = tuple(truth.categories.values())
    try:
        seen = resolve_split(seen_class, names)
    except ValueError as error:
        raise ValueError(f'{truth.where}: {error}') from None
    unseen = [name for name in names if name not in set(seen)]
    if not unseen:
        return everything
    return split_category_ids(truth, unseen, seen)
