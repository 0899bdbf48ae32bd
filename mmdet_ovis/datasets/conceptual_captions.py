"""Images of which only their captions are known, for training beside annotated ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS
from mmengine.logging import MMLogger

from ..structures.base_novel import ClassList
from ..utils.coco_stream import load_coco_head
from .caption_images import CaptionDataset
from .caption_words import CaptionWordsMixin
from .captions import CaptionedImage
from .ov_classes import choose_ov_classes


@DATASETS.register_module()
class ConceptualCaptionsDataset(CaptionWordsMixin, CaptionDataset):
    """Images with captions and no annotation, such as Conceptual Captions.

    Images have no instances, and ``has_gt`` is False: that nothing is labelled says
    nothing about what they show. ``captions`` are theirs, and with ``words_file``
    ``caption_words`` and ``caption_labels``, see
    :class:`.caption_words.CaptionWordsMixin`; images without a word are then left out
    in training.

    ``classes`` are those of the annotated dataset that it is mixed with, so that both
    report the same ``metainfo``, as mmdet's ``ConcatDataset`` asks for.

    Args:
        ann_file (str): Captions, see :func:`.captions.iter_captioned_images`.
        class_file (str): COCO file whose categories are those of the other dataset. Not
            joined to ``data_root``.
        split (str | Sequence[str], optional): As for :class:`.ov_coco.OVCocoDataset`,
            like the next three.
        base_classes (str | Sequence[str], optional): See there.
        novel_classes (str | Sequence[str], optional): See there.
        renames (Mapping[str, str], optional): See there.
        skip_missing (bool): Leave out images whose file is not there, and log how many:
            many links of Conceptual Captions are dead. Defaults to False.
        **kwargs: Arguments of :class:`.caption_words.CaptionWordsMixin`, but for
            ``caption_file``, and of :class:`.caption_images.CaptionDataset`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one is broken, ``class_file`` lacks classes, the words are of
            another list of images, or no image is left.
    """

    def __init__(
        self,
        *args,
        class_file: str,
        split: ClassList | None = None,
        base_classes: ClassList | None = None,
        novel_classes: ClassList | None = None,
        renames: Mapping[str, str] | None = None,
        skip_missing: bool = False,
        **kwargs,
    ) -> None:
        if kwargs.get('caption_file') is not None:
            raise ValueError('the captions of this dataset are those of its ann_file')
        self.skip_missing = skip_missing
        categories = load_coco_head(class_file, ('images', 'annotations'))[0].dataset
        try:
            classes = choose_ov_classes(
                categories['categories'], split, base_classes, novel_classes, renames
            )
        except ValueError as error:
            raise ValueError(f'{class_file}: {error}') from None
        metainfo = {**classes.metainfo, **(kwargs.pop('metainfo', None) or {})}
        super().__init__(*args, metainfo=metainfo, **kwargs)

    def parse_image(self, image: CaptionedImage) -> dict[str, Any]:
        """Turn what the file says about an image into what a pipeline takes."""
        return {**super().parse_image(image), 'has_gt': False}

    def read_size(self, path: Path) -> None:
        """Leave sizes open that the file does not tell: an image may not be there."""

    def filter_data(self) -> list[dict]:
        """Drop images without a word (training only) or without a file."""
        kept = self.data_list
        if self.words_file is not None and not self.test_mode:
            kept = [info for info in kept if info['caption_words']]
        with_words = len(kept)
        if self.skip_missing:
            kept = [info for info in kept if Path(info['img_path']).is_file()]
        counts = (
            f'{self.ann_file}: of {len(self.data_list)} images '
            f'{len(self.data_list) - with_words} have no word of the vocabulary and '
            f'{with_words - len(kept)} no file in {self.data_prefix["img"]}'
        )
        if not kept:
            raise ValueError(f'{counts}; none is left')
        if len(kept) < len(self.data_list):
            MMLogger.get_current_instance().info('%s; they are left out', counts)
        return kept
