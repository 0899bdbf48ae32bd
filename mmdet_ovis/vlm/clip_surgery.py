"""CLIP alone as evidence, without gradients.

Y. Li et al., CLIP Surgery for Better Explainability with Enhancement in Open-Vocabulary
Tasks, arXiv 2304.05653 (2023). Attention by queries and keys mixes patches that look
unlike each other; in the last blocks it is replaced by attention of the values among
themselves, on a side path that the blocks' perceptrons do not touch. And what a text
has in common with texts that say nothing is taken away from its similarity to patches.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from ..utils.pretrained import load_network, load_tokenizer
from .base import ImageState, PhraseMaps, VisionLanguageModel, check_texts, patch_grid

if TYPE_CHECKING:
    from ..structures.phrase import Phrase


@MODELS.register_module()
class ClipSurgery(VisionLanguageModel):
    """``CLIPModel`` of the transformers library with value-value attention.

    The map of a phrase is the similarity of its text to the patches, less the mean
    similarity of the redundant texts, less its own minimum. Image and caption match by
    how much more likely the caption is than the redundant texts: the logit is the
    difference of the scaled similarities, its sigmoid the probability.

    Args:
        checkpoint (str | PathLike): Folder, or a hub name such as
            ``'openai/clip-vit-base-patch16'``.
        num_blocks (int): How many of the last blocks of the image tower are changed.
            Defaults to 6.
        template (str): What a phrase is put into, at ``{}``.
        redundant_texts (Sequence[str]): Texts that say nothing about an image.
        image_size (int | tuple[int, int], optional): Multiple of the patch size;
            position encodings are interpolated. Defaults to what the model was
            trained with.

    Raises:
        ValueError: If an argument does not fit the model.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike,
        num_blocks: int = 6,
        template: str = 'a photo of a {}.',
        redundant_texts: Sequence[str] = ('', 'a photo.', 'a scene.'),
        image_size: int | tuple[int, int] | None = None,
    ) -> None:
        network = load_network('CLIPModel', checkpoint)
        vision = network.config.vision_config
        super().__init__(image_size or vision.image_size)
        if not 1 <= num_blocks <= vision.num_hidden_layers:
            raise ValueError(
                f'num_blocks has to be 1 to {vision.num_hidden_layers}, the depth of '
                f'the image tower, not {num_blocks}'
            )
        if '{}' not in template:
            raise ValueError(f"template has to contain '{{}}', {template!r} does not")
        if not redundant_texts or isinstance(redundant_texts, str):
            raise ValueError('redundant_texts has to be a list of one text or more')
        self.grid = patch_grid(self.image_size, vision.patch_size)
        self.network = network
        self.tokenizer = load_tokenizer(
            checkpoint, network.config.text_config.vocab_size
        )
        self.num_blocks = num_blocks
        self.template = template
        self.redundant_texts = tuple(redundant_texts)
        self.freeze()

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> ImageState:
        """Encode images; features are projected and normalised."""
        tower = self.network.vision_model
        encoded = tower(
            pixel_values=pixels,
            interpolate_pos_encoding=True,
            output_hidden_states=True,
        )
        blocks = tower.encoder.layers[-self.num_blocks :]
        inputs = encoded.hidden_states[-1 - self.num_blocks : -1]
        side = inputs[0]
        for block, hidden in zip(blocks, inputs, strict=True):
            side = side + attend_by_values(block.self_attn, block.layer_norm1(hidden))
        patches = tower.post_layernorm(side[:, 1:])
        tokens = torch.cat([encoded.pooler_output[:, None], patches], dim=1)
        features = self.network.visual_projection(tokens).float()
        return ImageState(functional.normalize(features, dim=-1), self.grid)

    @torch.no_grad()
    def match(self, state: ImageState, captions: Sequence[str]) -> Tensor:
        """Return raw matching logits, (B,)."""
        check_texts(state, captions)
        texts = self.encode_texts([*captions, *self.redundant_texts])
        own = (state.features[:, 0] * texts[: len(captions)]).sum(dim=-1)
        common = (state.features[:, 0] @ texts[len(captions) :].T).mean(dim=-1)
        return self.network.logit_scale.exp() * (own - common)

    @torch.no_grad()
    def phrase_maps(
        self,
        state: ImageState,
        captions: Sequence[str],
        phrases: Sequence[Sequence[Phrase]],
    ) -> PhraseMaps:
        """Return where each phrase of each caption is seen."""
        check_texts(state, captions, phrases)
        filled = [self.template.format(p.text) for wanted in phrases for p in wanted]
        texts = self.encode_texts([*filled, *self.redundant_texts])
        texts = texts[: len(filled)] - texts[len(filled) :].mean(dim=0)
        maps = []
        for features, own in zip(
            state.features,
            texts.split([len(wanted) for wanted in phrases]),
            strict=True,
        ):
            similarity = own @ features[1:].T  # K x hw
            similarity = similarity - similarity.amin(dim=-1, keepdim=True)
            maps.append(similarity.unflatten(-1, state.grid))
        return PhraseMaps(maps, self.match(state, captions).sigmoid())

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts, cut to what the model reads.

        Returns:
            Tensor: (len(texts), D) float32, normalised.
        """
        tokens = self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self.network.config.text_config.max_position_embeddings,
            return_tensors='pt',
        ).to(self.device)
        encoded = self.network.text_model(tokens.input_ids, tokens.attention_mask)
        vectors = self.network.text_projection(encoded.pooler_output).float()
        return functional.normalize(vectors, dim=-1)


def attend_by_values(attention: nn.Module, hidden: Tensor) -> Tensor:
    """Run CLIP's self-attention with values in the place of queries and keys.

    Args:
        attention (nn.Module): ``CLIPAttention``.
        hidden (Tensor): (B, N, D), normalised.

    Returns:
        Tensor: (B, N, D).
    """
    value = attention.v_proj(hidden).unflatten(-1, (attention.num_heads, -1))
    value = value.transpose(1, 2)  # B x heads x N x D / heads
    context = functional.scaled_dot_product_attention(value, value, value)
    return attention.out_proj(context.transpose(1, 2).flatten(2))
