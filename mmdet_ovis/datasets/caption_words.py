"""Images that come with the words of their captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS

from .captions import read_captions
from .ov_coco import OVCocoDataset
from .word_files import ImageList, read_caption_vocabulary, read_caption_words


class CaptionWordsMixin:
    """Adds the words of its captions to every image of a dataset.

    Stands before a dataset of mmdet among its bases. Every image gets

    - ``caption_words`` (list[str]): the words that its captions hold, each once,
      possibly none,
    - ``caption_labels`` (list[int]): for each of them the place of its class in
      ``caption_vocabulary`` of ``metainfo``,
    - ``has_gt`` (bool): whether its objects are annotated, also where it has none,
    - ``captions`` (list[str]), with ``caption_file``.

    The transform that packs inputs hands them on if its ``meta_keys`` name them.
    ``metainfo`` has ``caption_vocabulary``, a tuple of names, if there is one.
    ``known_words`` is the set of all words of its images.

    Args:
        caption_file (str, optional): Captions, see :func:`.captions.read_captions`.
            Relative paths are joined to ``data_root``. Defaults to None.
        words_file (str, optional): Words, see :func:`.word_files.read_caption_words`.
            Relative paths are joined to ``data_root``. Defaults to None.
        caption_vocabulary (str | Sequence[str], optional): Names that the words of
            another dataset stand for, which this one is mixed with: both then report
            the same ``metainfo``. A list, or a file of words, which is not joined to
            ``data_root``. Defaults to None: that of ``words_file``.
        **kwargs: Arguments of the dataset.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one is broken or has none of the images, or the words stand for
            other names than ``caption_vocabulary``.
    """

    ann_file: str
    data_root: str
    image_list: ImageList | None = None  # where the words have to be of the same
    known_words: frozenset[str] = frozenset()
    _metainfo: dict[str, Any]

    def __init__(
        self,
        *args,
        caption_file: str | None = None,
        words_file: str | None = None,
        caption_vocabulary: str | Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        self.caption_file = caption_file
        self.words_file = words_file
        self.caption_vocabulary = caption_vocabulary
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Load the images, and what is said about them."""
        return self.add_caption_words(super().load_data_list())

    def add_caption_words(self, data_list: list[dict]) -> list[dict]:
        """Add what is said about images.

        Args:
            data_list (list[dict]): Images with ``img_id``, changed in place.

        Returns:
            list[dict]: The same.
        """
        for data_info in data_list:
            data_info.setdefault('has_gt', True)
            data_info.update(caption_words=[], caption_labels=[])
        if self.caption_vocabulary is not None:
            self._metainfo['caption_vocabulary'] = self._names()
        if self.caption_file is not None:
            self._add_captions(data_list)
        if self.words_file is not None:
            self._add_words(data_list)
        return data_list

    def _names(self) -> tuple[str, ...]:
        if isinstance(self.caption_vocabulary, str):
            return read_caption_vocabulary(self.caption_vocabulary)
        return tuple(self.caption_vocabulary)

    def _add_captions(self, data_list: list[dict]) -> None:
        path = Path(self.data_root or '', self.caption_file)
        captions = read_captions(path)
        self._check_images(captions, data_list, path)
        for data_info in data_list:
            data_info['captions'] = list(captions.get(data_info['img_id'], ()))

    def _add_words(self, data_list: list[dict]) -> None:
        path = Path(self.data_root or '', self.words_file)
        words = read_caption_words(path)
        if self.image_list is not None:
            words.check_images(self.image_list, path, self.ann_file)
        self._check_images(words.by_image, data_list, path)
        names = self._metainfo.setdefault('caption_vocabulary', words.vocabulary)
        if names != words.vocabulary:
            raise ValueError(
                f'{path}: its words stand for {len(words.vocabulary)} names, which are '
                f'not the {len(names)} of caption_vocabulary; parse the captions of '
                'both datasets with the same vocabulary (tools/cmpl/parse_captions.py)'
            )
        for data_info in data_list:
            found = words.by_image.get(data_info['img_id'], {})
            data_info['caption_words'] = list(found)
            data_info['caption_labels'] = list(found.values())
        self.known_words = frozenset(
            word for data_info in data_list for word in data_info['caption_words']
        )

    def _check_images(
        self, known: Mapping[int, Any], data_list: list[dict], path: Path
    ) -> None:
        if not any(data_info['img_id'] in known for data_info in data_list):
            raise ValueError(
                f'{path} has nothing for any of the {len(data_list)} images of '
                f'{self.ann_file}; is it of another dataset or split?'
            )


@DATASETS.register_module()
class CaptionedOVCocoDataset(CaptionWordsMixin, OVCocoDataset):
    """Open-vocabulary COCO whose images come with captions or the words in them.

    The training set of CMPL's student (Huynh et al., CVPR 2022): every image gives both
    its base objects and its words. ``has_gt`` is True for all of them, since all images
    of the file are annotated: one without a base object has none.

    Args:
        use_images_without_gt (bool): Train also on images whose captions hold a word
            but that have no object of ``train_class``. Defaults to False, as in the
            published training set.
        **kwargs: Arguments of :class:`CaptionWordsMixin` and
            :class:`.ov_coco.OVCocoDataset`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If none of ``caption_file``, ``words_file`` and
            ``caption_vocabulary`` is given, ``use_images_without_gt`` has no
            ``words_file``, one is broken, or it has none of the images.
    """

    def __init__(
        self,
        *args,
        caption_file: str | None = None,
        words_file: str | None = None,
        caption_vocabulary: str | Sequence[str] | None = None,
        use_images_without_gt: bool = False,
        **kwargs,
    ) -> None:
        if caption_file is None and words_file is None and caption_vocabulary is None:
            raise ValueError(
                'a captioned dataset needs caption_file or words_file, or '
                'caption_vocabulary where it is mixed with another one that has words'
            )
        if use_images_without_gt and words_file is None:
            raise ValueError('use_images_without_gt needs the words of a words_file')
        self.use_images_without_gt = use_images_without_gt
        super().__init__(
            *args,
            caption_file=caption_file,
            words_file=words_file,
            caption_vocabulary=caption_vocabulary,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Load the images with their annotations and what is said about them."""
        data_list = super().load_data_list()
        if self.use_images_without_gt and not self.test_mode:
            self.keep_images(info for info in data_list if info['caption_words'])
        return data_list
