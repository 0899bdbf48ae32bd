"""BLIP's image-text matching model as evidence.

J. Li et al., BLIP: Bootstrapping Language-Image Pre-training for Unified
Vision-Language Understanding and Generation, ICML 2022.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from ..utils.pretrained import load_network, load_tokenizer
from .base import ImageState, patch_grid
from .cross_attention import CrossAttentionModel, TextTokens

ENC_TOKEN = '[ENC]'
ORIGINAL_ENC_ID = 30523
"""BERT's 30522 word pieces, then [DEC], then [ENC]."""


@MODELS.register_module()
class BlipMatcher(CrossAttentionModel):
    """``BlipForImageTextRetrieval`` of the transformers library.

    BLIP was trained with ``[ENC]`` as first token of the text that is scored, while the
    transformers library leaves ``[CLS]`` there. ``first_token='enc'`` puts it back. Its
    id is that of ``[ENC]`` in the tokenizer; hub checkpoints come with the tokenizer of
    BERT, which has none, and then it is 30523, provided that the model has embeddings
    for it. A model with neither is refused: it needs ``first_token='cls'``.

    Args:
        checkpoint (str | PathLike): Folder, or a hub name such as
            ``'Salesforce/blip-itm-base-coco'``.
        block (int): Layer of the text encoder, from 0; all have cross-attention.
            Models of another depth than 12 need a choice of their own. Defaults to 7.
        first_token (str): ``'enc'`` or ``'cls'``.
        image_size (int | tuple[int, int], optional): Multiple of the patch size;
            position encodings are interpolated, so that larger images give finer
            maps. Defaults to what the model was trained with.

    Raises:
        ValueError: If an argument does not fit the model.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike,
        block: int = 7,
        first_token: Literal['enc', 'cls'] = 'enc',
        image_size: int | tuple[int, int] | None = None,
    ) -> None:
        network = load_network('BlipForImageTextRetrieval', checkpoint)
        vision, text = network.config.vision_config, network.config.text_config
        tokenizer = load_tokenizer(checkpoint, text.vocab_size)
        super().__init__(network, tokenizer, image_size or vision.image_size, block)
        self.grid = patch_grid(self.image_size, vision.patch_size)
        self.first_id = first_token_id(
            first_token, tokenizer, text.vocab_size, checkpoint
        )

    @property
    def cross_attentions(self) -> Sequence[nn.Module]:
        """Module by block, see the base class."""
        layers = self.network.text_encoder.encoder.layer
        return [layer.crossattention.self for layer in layers]

    @property
    def max_tokens(self) -> int:
        """Longest caption in tokens."""
        return self.network.config.text_config.max_position_embeddings

    def arrange(
        self, ids: list[int], offsets: list[tuple[int, int]]
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Put the token that is scored first."""
        return [self.first_id, *ids[1:]], offsets

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> ImageState:
        """Run the image tower."""
        encoded = self.network.vision_model(pixels, interpolate_pos_encoding=True)
        return ImageState(encoded.last_hidden_state.float(), self.grid)

    def fuse(self, features: Tensor, tokens: TextTokens) -> Tensor:
        """Score encoded images with texts."""
        encoded = self.network.text_encoder(
            input_ids=tokens.ids,
            attention_mask=tokens.mask.long(),
            encoder_hidden_states=features,
            encoder_attention_mask=tokens.ids.new_ones(features.shape[:2]),
            output_attentions=True,  # 4.x returns probabilities only when asked
        )
        return self.network.itm_head(encoded.last_hidden_state[:, 0])


def first_token_id(
    first_token: str, tokenizer: Any, vocab_size: int, checkpoint: str | os.PathLike
) -> int:
    """Return the id of the token that the matching score is read from.

    Raises:
        ValueError: If there is no such token; see :class:`BlipMatcher`.
    """
    if first_token == 'cls':
        return tokenizer.cls_token_id
    if first_token != 'enc':
        raise ValueError(f"first_token has to be 'enc' or 'cls', not {first_token!r}")
    found = tokenizer.get_vocab().get(ENC_TOKEN)
    if found is None and vocab_size > ORIGINAL_ENC_ID:
        return ORIGINAL_ENC_ID
    if found is None:
        raise ValueError(
            f'{checkpoint} has no {ENC_TOKEN}: it is not in the tokenizer, and the '
            f"{vocab_size} embeddings are not those of BLIP; pass first_token='cls'"
        )
    return found
