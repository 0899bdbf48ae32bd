"""What words of captions mean to a student and its teacher.

Source: Huynh et al., *Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling* (CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.structures import DetDataSample
from torch import Tensor

from ...structures.vocabulary import name_key
from ..layers.vocabulary_mixin import InstalledVocabulary
from ..roi_heads.region_labelling import ImageWords
from .captioned_samples import check_sample, has_gt


class CaptionVocabularyMixin:
    """Gives a detector a vocabulary for the words of captions.

    Stands before a detector among the bases of a class. The detector has a ``student``
    whose box head knows text vectors, and ``semi_train_cfg`` with
    ``drop_labelled_words`` and ``align_with``.
    """

    caption_vocabulary: InstalledVocabulary | None = None
    """What words of captions stand for, with text vectors."""

    def set_caption_vocabulary(
        self,
        names: Sequence[str],
        words: Sequence[str] = (),
        embeddings: Tensor | None = None,
    ) -> None:
        """Install the vocabulary that words of captions stand for.

        Args:
            names (Sequence[str]): C names, in the order of ``caption_labels``.
            words (Sequence[str]): Words that images come with. Where they look for
                regions themselves (``align_with='word'``), the bank of the box head
                has their vectors. Defaults to ().
            embeddings (Tensor, optional): (C, D) text vectors of the names. Defaults to
                None: from the bank of the box head.

        Raises:
            ValueError: If a name is given twice, it or a word has no vector, or the
                vectors do not fit.
        """
        head = self.student.roi_head.bbox_head
        with head.using_vocabulary(names, embeddings):
            self.caption_vocabulary = head.installed
        if words and self.semi_train_cfg['align_with'] == 'word':
            try:
                head.text_vectors(words)
            except ValueError as error:
                raise ValueError(
                    f'{error} --words FILE, the words_file of the dataset '
                    "(align_with='word' needs a vector of each word of a caption)"
                ) from None

    def words_of(self, sample: DetDataSample) -> ImageWords:
        """Return the words of an image that are looked for.

        Args:
            sample (DetDataSample): See the class.

        Returns:
            ImageWords: Without those of classes that people annotated, if these are
            left out, and of words that stand for one class only the first, unless each
            looks for a region by itself (``align_with='word'``).

        Raises:
            ValueError: If there are words, but no caption vocabulary, or one of another
                dataset, or the sample does not say what the class asks for.
        """
        check_sample(sample)
        words = tuple(sample.metainfo['caption_words'])
        labels = tuple(int(i) for i in sample.metainfo['caption_labels'])
        if not words:
            return ImageWords((), ())
        names = self._need_caption_vocabulary().names
        are_places = all(0 <= label < len(names) for label in labels)
        if len(words) != len(labels) or not are_places:
            raise ValueError(
                f'{sample.metainfo.get("img_path")}: caption_labels {list(labels)} are '
                f'no places in the caption vocabulary of {len(names)} names, one for '
                f'each of the {len(words)} words'
            )
        kept = list(range(len(words)))
        if self.semi_train_cfg['drop_labelled_words'] and has_gt(sample):
            known = {name_key(n) for n in self.student.roi_head.bbox_head.vocabulary}
            kept = [i for i in kept if name_key(names[labels[i]]) not in known]
        if self.semi_train_cfg['align_with'] == 'name':
            # The same vector a second time would take a second, wrong region.
            kept = _first_of_each(kept, labels)
        return ImageWords(tuple(words[i] for i in kept), tuple(labels[i] for i in kept))

    def _need_caption_vocabulary(self) -> InstalledVocabulary:
        if self.caption_vocabulary is None:
            raise ValueError(
                'there is no caption vocabulary that words of captions could stand '
                "for; add custom_hooks=[dict(type='VocabularyHook')] to the config, or "
                'call set_caption_vocabulary(names)'
            )
        return self.caption_vocabulary

    def _vectors(self, words: ImageWords) -> Tensor:
        if self.semi_train_cfg['align_with'] == 'word':
            return self.student.roi_head.bbox_head.text_vectors(words.words)
        return self.caption_vocabulary.class_vectors[list(words.labels)]


def _first_of_each(places: Sequence[int], labels: Sequence[int]) -> list[int]:
    """Keep the first place of each label."""
    first = {labels[place]: place for place in reversed(places)}
    return sorted(first.values())
