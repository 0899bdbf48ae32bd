"""BridgeTower's image-text matching model as evidence.

X. Xu et al., BridgeTower: Building Bridges Between Encoders in Vision-Language
Representation Learning, AAAI 2023.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from ..utils.pretrained import load_network, load_tokenizer
from .base import ImageState, patch_grid
from .cross_attention import CrossAttentionModel, TextTokens


@MODELS.register_module()
class BridgeTowerMatcher(CrossAttentionModel):
    """``BridgeTowerForImageAndTextRetrieval`` of the transformers library.

    Its towers feed the fusion stack layer by layer. The state of an image is therefore
    what enters the image tower; the tower itself runs with each text, without gradient
    history, and gradients begin where its layers enter the fusion stack.

    Args:
        checkpoint (str | PathLike): Folder, or a hub name such as
            ``'BridgeTower/bridgetower-base-itm-mlm'``.
        block (int): Layer of the fusion stack, from 0. Defaults to 2, the third of six.
        image_size (int | tuple[int, int], optional): Multiple of the patch size;
            position encodings are interpolated. Defaults to what the model was
            trained with.

    Raises:
        ValueError: If an argument does not fit the model.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike,
        block: int = 2,
        image_size: int | tuple[int, int] | None = None,
    ) -> None:
        network = load_network(
            'BridgeTowerForImageAndTextRetrieval',
            checkpoint,
            attn_implementation='eager',  # the others return no probabilities
        )
        vision, text = network.config.vision_config, network.config.text_config
        tokenizer = load_tokenizer(checkpoint, text.vocab_size)
        super().__init__(network, tokenizer, image_size or vision.image_size, block)
        self.grid = patch_grid(self.image_size, vision.patch_size)

    @property
    def cross_attentions(self) -> Sequence[nn.Module]:
        """Module by block, see the base class."""
        layers = self.network.bridgetower.cross_modal_text_layers
        return [layer.crossattention.self for layer in layers]

    @property
    def max_tokens(self) -> int:
        """Longest caption in tokens."""
        text = self.network.config.text_config
        # RoBERTa counts positions from the one after that of padding.
        return text.max_position_embeddings - text.pad_token_id - 1

    @property
    def _image_tower(self) -> nn.Module:
        return self.network.bridgetower.vision_model.visual

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> ImageState:
        """Embed the patches, see above."""
        patches = self._image_tower.forward_pre(pixels, interpolate_pos_encoding=True)
        return ImageState(patches.permute(1, 0, 2).float(), self.grid)

    def fuse(self, features: Tensor, tokens: TextTokens) -> Tensor:
        """Score encoded images with texts."""
        with _cut_graph(self._image_tower.ln_post):
            return self.network(
                input_ids=tokens.ids,
                attention_mask=tokens.mask.long(),
                image_embeds=features.detach(),
                output_attentions=True,
            ).logits


@contextmanager
def _cut_graph(module: nn.Module) -> Iterator[None]:
    """Let gradients begin at what a module returns."""

    def cut(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output.detach().requires_grad_(torch.is_grad_enabled())

    handle = module.register_forward_hook(cut)
    try:
        yield
    finally:
        handle.remove()
