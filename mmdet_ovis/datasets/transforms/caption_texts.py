"""Texts about an image, made of its captions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from ...language.captions import clean_caption
from ...language.noun_chunks import noun_chunk
from ...language.noun_parser import NounParser
from ...language.vocabularies import load_vocabulary
from ...structures.phrase import Phrase
from ..captions import iter_captioned_images


@TRANSFORMS.register_module()
class ChooseCaption(BaseTransform):
    """Draw one of the captions of an image.

    An image without a caption is dropped, so that mmdet's datasets take another one.

    Required keys: ``captions``. Added keys: ``caption``.
    """

    def transform(self, results: dict) -> dict | None:
        """Add the caption."""
        if not results['captions']:
            return None
        results['caption'] = random.choice(results['captions'])
        return results


@TRANSFORMS.register_module()
class SampleCaptionTexts(BaseTransform):
    """Sample pairs of a text that is true of an image and one that is not.

    In the false one a noun with its adjectives ("two red discs") is replaced by one out
    of another image's caption, of a class that no caption of this image names. Both
    come from the same captions, so that the text alone does not tell which is true: a
    word that is merely swapped for another would give itself away by the words around
    it. Some texts are the noun alone, which say most directly where to look.

    An image without such a pair is dropped, so that mmdet's datasets take another one.

    Required keys: ``captions``. Added keys: ``texts`` (2 * num_pairs strings, cleaned),
    ``text_labels`` (1 for true, 0 for false) and ``word_labels`` (places in the
    vocabulary of the classes that captions name, rising).

    Args:
        ann_file (str): Captions to take nouns from, see
            :func:`~mmdet_ovis.datasets.captions.iter_captioned_images`.
        vocabulary (str | Sequence[str]): Classes: names, or what
            :func:`~mmdet_ovis.language.vocabularies.load_vocabulary` takes.
        num_pairs (int): Pairs an image.
        short_prob (float): Probability of texts that are a noun alone.
        parser (Mapping, optional): Further arguments of
            :class:`~mmdet_ovis.language.noun_parser.NounParser`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If its captions name fewer than two classes, or an argument is out
            of its range.
    """

    def __init__(
        self,
        ann_file: str,
        vocabulary: str | Sequence[str],
        num_pairs: int = 4,
        short_prob: float = 0.5,
        parser: Mapping[str, Any] | None = None,
    ) -> None:
        if num_pairs < 1:
            raise ValueError(f'num_pairs is 1 or more, not {num_pairs}')
        if not 0 <= short_prob <= 1:
            raise ValueError(f'short_prob is a probability, not {short_prob}')
        self.vocabulary = load_vocabulary(vocabulary)
        self.parser = NounParser(self.vocabulary, **(parser or {}))
        self.num_pairs = num_pairs
        self.short_prob = short_prob
        self.chunks = [
            chunk
            for image in iter_captioned_images(ann_file)
            for _, found in self._parse(image.captions)
            for chunk in found
        ]
        if len({chunk.name for chunk in self.chunks}) < 2:
            raise ValueError(
                f'{ann_file}: its captions have to name at least two of the '
                f'{len(self.vocabulary)} classes of the vocabulary, to tell them apart'
            )

    def transform(self, results: dict) -> dict | None:
        """Add the texts."""
        captions = [pair for pair in self._parse(results['captions']) if pair[1]]
        present = {chunk.name for _, found in captions for chunk in found}
        others = [chunk for chunk in self.chunks if chunk.name not in present]
        if not captions or not others:
            return None
        texts: list[str] = []
        for _ in range(self.num_pairs):
            caption, found = random.choice(captions)
            texts += self._pair(caption, random.choice(found), random.choice(others))
        results['texts'] = texts
        results['text_labels'] = [1, 0] * self.num_pairs
        results['word_labels'] = sorted(map(self.vocabulary.index, present))
        return results

    def _pair(self, caption: str, chunk: Phrase, other: Phrase) -> tuple[str, str]:
        if random.random() < self.short_prob:
            return chunk.text, other.text
        return caption, caption[: chunk.start] + other.text + caption[chunk.end :]

    def _parse(self, captions: Sequence[str]) -> list[tuple[str, list[Phrase]]]:
        """Find nouns with their adjectives in cleaned captions."""
        cleaned = [clean_caption(caption) for caption in captions]
        return [
            (caption, [noun_chunk(caption, phrase) for phrase in self.parser(caption)])
            for caption in cleaned
        ]

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}({len(self.chunks)} nouns, '
            f'num_pairs={self.num_pairs}, short_prob={self.short_prob})'
        )
