"""Images of which only their captions are known, as image-level labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.registry import DATASETS
from mmengine.logging import MMLogger

from ..language.noun_parser import NounParser
from ..language.vocabularies import load_vocabulary
from .caption_images import CaptionDataset
from .captions import CaptionedImage
from .proposal_files import ProposalFileMixin

_SHOWN = 10


@DATASETS.register_module()
class CaptionLabelDataset(ProposalFileMixin, CaptionDataset):
    """Dataset whose labels are the words of a vocabulary in the captions of an image.

    ``classes`` of ``metainfo`` are the names of the vocabulary, and an image has one
    instance a word: a ``bbox_label`` without a box, which
    ``LoadAnnotations(with_bbox=False, with_label=True)`` reads. In training, images
    without a word are left out; how many is logged, and which words never occur.

    Args:
        ann_file (str): Captions, see :func:`.captions.iter_captioned_images`.
        vocabulary (str | Sequence[str]): The words: names, or what
            :func:`~mmdet_ovis.language.vocabularies.load_vocabulary` takes.
        parser (Mapping, optional): Further arguments of
            :class:`~mmdet_ovis.language.noun_parser.NounParser`.
        proposal_file (str, optional): Proposals, see
            :class:`.proposal_files.ProposalFileMixin`. Relative paths are joined to
            ``data_root``.
        **kwargs: Arguments of :class:`.caption_images.CaptionDataset`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one is broken, or no image is left.
    """

    def __init__(
        self,
        *args,
        vocabulary: str | Sequence[str],
        parser: Mapping[str, Any] | None = None,
        **kwargs,
    ) -> None:
        self.vocabulary = load_vocabulary(vocabulary)
        self._parser = NounParser(self.vocabulary, **(parser or {}))
        metainfo = {'classes': self.vocabulary.names, **(kwargs.pop('metainfo', {}))}
        super().__init__(*args, metainfo=metainfo, **kwargs)

    def parse_image(self, image: CaptionedImage) -> dict[str, Any]:
        """Add the words of its captions as labels."""
        names = {
            phrase.name
            for caption in image.captions
            for phrase in self._parser(caption)
        }
        labels = sorted(self.vocabulary.index(name) for name in names)
        instances = [{'bbox_label': label, 'ignore_flag': 0} for label in labels]
        return super().parse_image(image) | {'instances': instances}

    def filter_data(self) -> list[dict]:
        """Drop images without a word (training only), and say how many."""
        if self.test_mode:
            return self.data_list
        kept = [info for info in self.data_list if info['instances']]
        if not kept:
            raise ValueError(
                f'{self.ann_file}: no caption of its {len(self.data_list)} images has '
                f'one of the {len(self.vocabulary)} words of the vocabulary '
                f'({", ".join(self.vocabulary.names[:5])}, ...)'
            )
        logger = MMLogger.get_current_instance()
        logger.info(
            '%s: %d of %d images have one of the %d words in their captions; the '
            'others are left out',
            *(self.ann_file, len(kept), len(self.data_list), len(self.vocabulary)),
        )
        seen = {inst['bbox_label'] for info in kept for inst in info['instances']}
        never = [n for i, n in enumerate(self.vocabulary.names) if i not in seen]
        if never:
            shown = ', '.join(never[:_SHOWN]) + ', ...' * (len(never) > _SHOWN)
            logger.warning(
                '%s: no caption has %d of the words: %s',
                *(self.ann_file, len(never), shown),
            )
        return kept
