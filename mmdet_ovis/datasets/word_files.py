"""The words of captions, as their files have them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..structures.vocabulary import Vocabulary
from ..utils.io import read_json
from ..utils.json_stream import open_json
from .captions import CaptionedImage, need_key


@dataclass(frozen=True)
class ImageList:
    """Which images the ids in a file of words stand for.

    Args:
        number (int): How many there are.
        sha256 (str): Of their names, a line each, in the order of
            :func:`.captions.iter_captioned_images`.
        ids_are_places (bool): Whether ids are places in that order, so that another
            image more gives others to those behind it.
    """

    number: int
    sha256: str
    ids_are_places: bool

    @classmethod
    def of(cls, images: Iterable[CaptionedImage]) -> ImageList:
        """Describe images.

        Examples:
            >>> images = [CaptionedImage(1, 'cat.jpg', (), id_is_place=True)]
            >>> found = ImageList.of(images)
            >>> found.number, found.sha256[:6], found.ids_are_places
            (1, '7e179e', True)
        """
        digest = hashlib.sha256()
        number, are_places = 0, False
        for image in images:
            digest.update(f'{image.file_name}\n'.encode())
            number += 1
            are_places = image.id_is_place
        return cls(number, digest.hexdigest(), are_places)


@dataclass(frozen=True)
class CaptionWords:
    """Words that were found in captions.

    Args:
        vocabulary (tuple[str, ...]): The names that words stand for.
        by_image (dict[int, dict[str, int]]): By image id the words, each with the place
            of its name in ``vocabulary``, in the order of the file.
        images (ImageList, optional): The images that ids stand for, if the file says.
    """

    vocabulary: tuple[str, ...]
    by_image: dict[int, dict[str, int]]
    images: ImageList | None = None

    def check_images(
        self, images: ImageList, path: str | Path, captions: str | Path
    ) -> None:
        """Check that ids stand for the same images here as in a dataset.

        Args:
            images (ImageList): Those of the dataset.
            path (str | Path): File of the words, for the message.
            captions (str | Path): File of the captions, for the message.

        Raises:
            ValueError: If ids are places on either side, in different lists.
        """
        mine = self.images
        by_place = images.ids_are_places or (mine is not None and mine.ids_are_places)
        if not by_place or mine == images:
            return
        of = 'an unknown one' if mine is None else f'another, of {mine.number} images'
        raise ValueError(
            f'{path}: images are known by their places in a list, and that of '
            f'{captions}, of {images.number} images, is not the one that the words are '
            f'of ({of}); parse its captions again (tools/cmpl/parse_captions.py), or '
            "give each image an 'image_id' there, and parse once more"
        )


def read_caption_words(path: str | Path) -> CaptionWords:
    """Read the words that were found in captions.

    The file is an object with ``vocabulary``, a list of names, and ``words``, a list of
    ``{"image_id": 139, "word": "puppy", "name": "dog"}``: a word of a caption, and the
    name in the vocabulary that it stands for. ``info.images`` may say which images the
    ids stand for, see :class:`ImageList`. More keys are allowed. A word that comes
    again for the same image changes nothing.

    Args:
        path (str | Path): Such a file.

    Returns:
        CaptionWords: Its content.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken; the message names file, entry and key.
    """
    content = read_json(path)
    is_object = isinstance(content, Mapping)
    vocabulary = _check_vocabulary(
        content.get('vocabulary') if is_object else None, path
    )
    if not isinstance(content.get('words'), list):
        raise ValueError(f"{path} is not a file of words: it has no list 'words'")
    labels = {name: label for label, name in enumerate(vocabulary)}
    by_image: dict[int, dict[str, int]] = {}
    for i, entry in enumerate(content['words']):
        where = f'{path}: words[{i}]'
        image_id = need_key(entry, 'image_id', int, where)
        word, name = (need_key(entry, key, str, where) for key in ('word', 'name'))
        if name not in labels:
            raise ValueError(f"{where}: '{name}' is not in the vocabulary of the file")
        if not word.strip():
            raise ValueError(f"{where}: key 'word' is blank")
        by_image.setdefault(image_id, {}).setdefault(word, labels[name])
    return CaptionWords(vocabulary, by_image, _image_list(content.get('info'), path))


def read_caption_vocabulary(path: str | Path) -> tuple[str, ...]:
    """Read the names alone out of a file of words, see :func:`read_caption_words`.

    Args:
        path (str | Path): Such a file; what stands behind the names is not read.

    Returns:
        tuple[str, ...]: The names.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no list of names.
    """
    vocabulary = None
    with open_json(path) as stream:
        for key in stream.members() if stream.kind is dict else ():
            if key == 'vocabulary':
                vocabulary = stream.value()
                break
            stream.skip()
    return _check_vocabulary(vocabulary, path)


def _check_vocabulary(vocabulary: Any, path: str | Path) -> tuple[str, ...]:
    if not isinstance(vocabulary, list):
        raise ValueError(f"{path} is not a file of words: it has no list 'vocabulary'")
    try:
        return Vocabulary(vocabulary).names
    except ValueError as error:
        raise ValueError(f"{path}: 'vocabulary': {error}") from None


def _image_list(info: Any, path: str | Path) -> ImageList | None:
    images = info.get('images') if isinstance(info, Mapping) else None
    if images is None:
        return None
    where = f'{path}: info.images'
    return ImageList(
        need_key(images, 'number', int, where),
        need_key(images, 'sha256', str, where),
        need_key(images, 'ids_are_places', bool, where),
    )
