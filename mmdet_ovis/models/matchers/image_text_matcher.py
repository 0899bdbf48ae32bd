"""Training of the small image-text network on captions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional

from ...language.vocabularies import load_vocabulary
from ...vlm.conv_matcher import build_network


@MODELS.register_module()
class ImageTextMatcher(BaseModel):
    """Learns to tell true texts about an image from false ones.

    There are two losses, as in ALBEF (J. Li et al., Align before Fuse, NeurIPS 2021).
    *Matching* (ITM) scores texts; which of them are false is up to the data: with
    ``SampleCaptionTexts`` they differ from true ones in a single noun, so that the
    network has to look for it. *Alignment* helps at the start: the patches most similar
    to a word have to tell whether a caption names it. Words are compared with single
    patches instead of with the whole image (L. Yao et al., FILIP, ICLR 2022), and by
    their presence instead of against the other images of a batch, which share many.

    Args:
        network (dict): Config of a :class:`~mmdet_ovis.vlm.ConvMatcherNetwork`, without
            ``vocab_size``.
        vocab (str | PathLike): Its word pieces, see
            ``tools/ovis/make_word_pieces.py``.
        words (str | Sequence[str]): What is aligned: names, or what
            :func:`~mmdet_ovis.language.vocabularies.load_vocabulary` takes; the same as
            in ``SampleCaptionTexts``.
        num_patches (int): Patches an image that speak for a word.
        align_weight (float): Weight of the alignment loss.
        data_preprocessor (dict, optional): Config; has to normalise as
            :class:`~mmdet_ovis.vlm.VisionLanguageModel` does.
        init_cfg (dict, optional): Initial weights.

    Raises:
        FileNotFoundError: If there is no such vocabulary.
        ValueError: If it is none, or a caption of the data is too long.
    """

    def __init__(
        self,
        network: dict[str, Any],
        vocab: str | os.PathLike,
        words: str | Sequence[str],
        num_patches: int = 3,
        align_weight: float = 2.0,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.network, self.tokenizer = build_network(network, vocab)
        if isinstance(words, str):
            words = load_vocabulary(words).names
        self.words = tuple(words)
        self.num_patches = num_patches
        self.align_weight = align_weight
        encoded = self._encode(self.words, add_special_tokens=False)
        self.register_buffer('word_ids', encoded[0], persistent=False)
        self.register_buffer('word_mask', encoded[1], persistent=False)
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.bias = nn.Parameter(torch.tensor(-5.0))

    def forward(
        self,
        inputs: Tensor,
        data_samples: SampleList,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[DetDataSample] | Tensor:
        """Run the network in one of three modes, as all models of MMEngine do.

        Raises:
            ValueError: If the mode is unknown.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.score(self.network.encode(inputs), data_samples)
        raise ValueError(f"mode is 'loss', 'predict' or 'tensor', not {mode!r}")

    def score(self, features: Tensor, data_samples: Sequence[DetDataSample]) -> Tensor:
        """Score all texts of all images.

        Args:
            features (Tensor): (B, 1 + h * w, D), encoded images.
            data_samples (Sequence[DetDataSample]): With ``texts`` in ``metainfo``, P of
                them each.

        Returns:
            Tensor: (B * P, 2) float32 logits of "no match" and "match".

        Raises:
            ValueError: If images have different numbers of texts, or one is too long.
        """
        texts = [sample.metainfo['texts'] for sample in data_samples]
        numbers = sorted({len(some) for some in texts})
        if len(numbers) > 1:
            raise ValueError(f'the images of a batch have {numbers} texts, not as many')
        ids, mask = self._encode([text for some in texts for text in some])
        if ids.shape[1] > self.network.max_tokens:
            raise ValueError(
                f'a text has {ids.shape[1]} tokens, the network takes '
                f'{self.network.max_tokens}; raise max_tokens or shorten the texts'
            )
        ids, mask = ids.to(features.device), mask.to(features.device)
        return self.network.fuse(ids, mask, features).float()

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict[str, Tensor]:
        """Return both losses and, for the log, the accuracies in per cent."""
        features = self.network.encode(inputs)
        logits = self.score(features, data_samples)
        labels = [label for s in data_samples for label in s.metainfo['text_labels']]
        labels = torch.tensor(labels, device=logits.device)
        found = self.find_words(features)
        named = torch.zeros_like(found)
        for row, sample in zip(named, data_samples, strict=True):
            row[list(sample.metainfo['word_labels'])] = 1.0
        align = functional.binary_cross_entropy_with_logits(found, named)
        return {
            'loss_itm': functional.cross_entropy(logits, labels),
            'loss_align': self.align_weight * align,
            'acc_itm': _accuracy(logits.argmax(dim=1) == labels),
            'acc_align': _accuracy((found > 0) == (named > 0)),
        }

    def find_words(self, features: Tensor) -> Tensor:
        """Return how sure it is of each word, (B, W) float32 logits.

        Args:
            features (Tensor): (B, 1 + h * w, D), encoded images.
        """
        cosines = self.network.align(self.word_ids, self.word_mask, features).float()
        best = cosines.topk(min(self.num_patches, cosines.shape[-1]), dim=-1).values
        return self.scale * best.mean(dim=-1) + self.bias

    def predict(self, inputs: Tensor, data_samples: SampleList) -> list[DetDataSample]:
        """Set ``p_match``, (P,) float32 in [0, 1], of the texts of each image."""
        logits = self.score(self.network.encode(inputs), data_samples)
        matches = logits.softmax(dim=1)[:, 1].reshape(len(data_samples), -1)
        for sample, p_match in zip(data_samples, matches, strict=True):
            sample.set_data({'p_match': p_match})
        return data_samples

    def _encode(self, texts: Sequence[str], **options: Any) -> tuple[Tensor, Tensor]:
        encoded = self.tokenizer(
            list(texts), padding=True, return_tensors='pt', **options
        )
        return encoded['input_ids'], encoded['attention_mask'].bool()


def _accuracy(right: Tensor) -> Tensor:
    return 100 * right.float().mean()
