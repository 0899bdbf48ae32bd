"""What goes into generation: images, and the words of their captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ...datasets.captions import CaptionedImage, iter_captioned_images
from ...language.captions import clean_caption
from ...structures.phrase import Phrase
from ...utils.image import read_image
from ...utils.settings import check_choice
from ..extraction.images import (
    BrokenImageError,
    check_not_truncated,
    explain_orientation,
)

CHOICES: Final = ('cover', 'all', 'first')


@dataclass(frozen=True)
class Query:
    """A caption and what is searched of it.

    Args:
        caption (str): Cleaned.
        phrases (tuple[Phrase, ...]): At least one.
    """

    caption: str
    phrases: tuple[Phrase, ...]


@dataclass(frozen=True, eq=False)
class CaptionedSample:
    """One image, decoded, with what is searched in it.

    Args:
        image_id (int): Its id.
        file_name (str): As it stands in the file of captions.
        image (np.ndarray): (H, W, 3) uint8, BGR.
        queries (tuple[Query, ...]): Possibly none.
    """

    image_id: int
    file_name: str
    image: np.ndarray
    queries: tuple[Query, ...]


class CaptionedReader:
    """Reads images one by one, never another one instead.

    Args:
        captions (str | Path): See
            :func:`~mmdet_ovis.datasets.captions.iter_captioned_images`.
        img_dir (str | Path): Folder that the file names start from.
        parser (Callable[[str], list[Phrase]]): Finds words in a cleaned caption.
        choose (str): Which captions of an image are used: ``'cover'``, as few as name
            all of its words, each of which is searched once by caption that names it
            first; ``'all'``; or ``'first'``, one.
        limit (int, optional): Read the first images only.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken, or an argument out of its range.
    """

    def __init__(
        self,
        captions: str | Path,
        img_dir: str | Path,
        parser: Callable[[str], list[Phrase]],
        choose: str = 'cover',
        limit: int | None = None,
    ) -> None:
        check_choice('captions.choose', choose, CHOICES)
        if limit is not None and limit < 1:
            raise ValueError(f'limit is a number of images, not {limit}')
        self.images: list[CaptionedImage] = list(iter_captioned_images(captions))
        self.images = self.images[:limit]
        self.img_dir = Path(img_dir)
        self.parser = parser
        self.choose = choose

    @property
    def image_ids(self) -> list[int]:
        """Ids in the order of the file."""
        return [image.image_id for image in self.images]

    def read(self, position: int) -> CaptionedSample:
        """Read one image, and find the words of its captions.

        Args:
            position (int): Place in the file.

        Raises:
            BrokenImageError: If the image is missing, cannot be decoded, breaks off, or
                is not of the size that the file gives.
        """
        entry = self.images[position]
        path = self.img_dir / entry.file_name
        try:
            check_not_truncated(str(path))
            image = read_image(path)
        except (OSError, ValueError) as error:
            raise BrokenImageError(str(error)) from error
        size = image.shape[:2]
        if entry.size is not None and size != entry.size:
            raise BrokenImageError(
                f'{path}: the file is {size[0]}x{size[1]}, the captions say '
                f'{entry.size[0]}x{entry.size[1]} (height x width)'
                f'{explain_orientation(str(path), size, entry.size)}'
            )
        return CaptionedSample(
            entry.image_id,
            entry.file_name,
            np.ascontiguousarray(image[..., ::-1]),
            self.queries(entry.captions),
        )

    def queries(self, captions: Sequence[str]) -> tuple[Query, ...]:
        """Choose what is searched of the captions of an image."""
        if self.choose == 'first':
            captions = captions[:1]
        cleaned = dict.fromkeys(clean_caption(caption) for caption in captions)
        found = [Query(text, tuple(self.parser(text))) for text in cleaned]
        found = [query for query in found if query.phrases]
        return _cover(found) if self.choose == 'cover' else tuple(found)


def _cover(queries: Sequence[Query]) -> tuple[Query, ...]:
    """Take the query with the most new words until there are none; first ones first."""
    chosen: list[Query] = []
    known: set[str] = set()
    while True:
        rests = [
            tuple(phrase for phrase in query.phrases if phrase.name not in known)
            for query in queries
        ]
        gains = [len({phrase.name for phrase in rest}) for rest in rests]
        best = max(range(len(queries)), key=lambda i: gains[i], default=None)
        if best is None or not gains[best]:
            return tuple(chosen)
        chosen.append(Query(queries[best].caption, rests[best]))
        known |= {phrase.name for phrase in rests[best]}
