"""The small image-text network as evidence."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from ..utils.checkpoint import check_state_dict, load_checkpoint, model_state
from .albef import load_wordpiece
from .base import ImageState
from .cross_attention import CrossAttentionModel, TextTokens

_PREFIX = 'network.'


@MODELS.register_module()
class ConvMatcher(CrossAttentionModel):
    """A :class:`.conv_network.ConvMatcherNetwork` that ``ImageTextMatcher`` has learnt.

    Args:
        network (Mapping): Its config, ``model.network`` of the training config.
        vocab (str | PathLike): The word pieces that it was trained with.
        checkpoint (str | PathLike): Checkpoint of the training.

    Raises:
        FileNotFoundError: If a file is missing.
        CheckpointError: If the checkpoint does not fit the network.
        ValueError: If another argument does not fit.
    """

    scores_all_tokens = True

    def __init__(
        self,
        network: Mapping[str, Any],
        vocab: str | os.PathLike,
        checkpoint: str | os.PathLike,
    ) -> None:
        built, tokenizer = build_network(network, vocab)
        state = model_state(load_checkpoint(checkpoint), checkpoint)
        state = {
            key.removeprefix(_PREFIX): value
            for key, value in state.items()
            if key.startswith(_PREFIX)
        }
        check_state_dict(built, state, checkpoint)
        built.load_state_dict(state)
        super().__init__(built, tokenizer, built.image_size, block=0)

    @property
    def cross_attentions(self) -> Sequence[nn.Module | None]:
        """Module by block, see the base class."""
        return [self.network.attention]

    @property
    def max_tokens(self) -> int:
        """Longest caption in tokens."""
        return self.network.max_tokens

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> ImageState:
        """Run the image tower."""
        return ImageState(self.network.encode(pixels).float(), self.network.grid)

    def fuse(self, features: Tensor, tokens: TextTokens) -> Tensor:
        """Score encoded images with texts."""
        return self.network.fuse(tokens.ids, tokens.mask, features)


def build_network(
    network: Mapping[str, Any], vocab: str | os.PathLike
) -> tuple[nn.Module, Any]:
    """Build a network for the word pieces of a file.

    Args:
        network (Mapping): Config without ``vocab_size``.
        vocab (str | PathLike): One word piece a line.

    Returns:
        tuple[nn.Module, Any]: The network, and the tokenizer.
    """
    tokenizer = load_wordpiece(vocab)
    return MODELS.build({**network, 'vocab_size': len(tokenizer)}), tokenizer
