"""A small image-text network: convolutions, a text stack, and one cross-attention.

Meant for training from nothing on the captions of a thousand images, in minutes. A
vision transformer learns too slowly for that, and so does a fusion stack whose first
token is scored. Here each word looks for itself, as in stacked cross-attention (K.-H.
Lee et al., Stacked Cross Attention for Image-Text Matching, ECCV 2018): it attends to
the patches most similar to it, and the score of a text is how similar its words are to
what they attend to.
"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from .albef_network import AlbefSizes, FusionTower
from .base import as_size, patch_grid


class WordAttention(nn.Module):
    """Words attend to what is similar to them; returns its probabilities as well.

    Args:
        sharpness (float): Factor of cosines before the softmax. It is not learnt: left
            to itself it grows until a word attends to the best patch alone, and then
            GradCAM shows a part of an object.
    """

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness

    def forward(self, words: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Attend, with one head.

        Args:
            words (Tensor): (B, T, D), unit vectors.
            patches (Tensor): (B / P, N, D), unit vectors; P texts in a row are about
                one image.

        Returns:
            tuple[Tensor, Tensor]: What is attended to, (B, T, D), and the
            probabilities, (B, 1, T, N).
        """
        # The texts of an image share its patches.
        folded = words.reshape(len(patches), -1, words.shape[-1])
        cosines = folded @ patches.transpose(1, 2)
        cosines = cosines.reshape(len(words), 1, words.shape[1], -1)
        probabilities = (self.sharpness * cosines).softmax(dim=-1)
        weights = probabilities.reshape(*folded.shape[:2], -1)
        return (weights @ patches).reshape(words.shape), probabilities


@MODELS.register_module()
class ConvMatcherNetwork(nn.Module):
    """Image tower, text stack, and the attention between them.

    Args:
        backbone (dict): Config of a backbone of MMDetection with a single output.
        in_channels (int): Channels of that output.
        stride (int): Its stride, in pixels.
        image_size (int | tuple[int, int]): Height and width of the input in pixels.
        vocab_size (int): Number of word pieces.
        dim (int): Width of all tokens.
        num_heads (int): Attention heads of the text stack.
        text_depth (int): Its layers.
        max_tokens (int): Longest text in tokens.
        sharpness (float): Of the attention of words, see :class:`WordAttention`.

    Raises:
        ValueError: If sizes do not fit each other.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        in_channels: int,
        stride: int,
        image_size: int | tuple[int, int],
        vocab_size: int,
        dim: int = 128,
        num_heads: int = 4,
        text_depth: int = 1,
        max_tokens: int = 64,
        sharpness: float = 3.0,
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f'{num_heads} heads do not divide a width of {dim}')
        self.image_size = as_size(image_size)
        self.grid = patch_grid(self.image_size, stride)
        self.max_tokens = max_tokens
        self.backbone = MODELS.build(backbone)
        self.projection = nn.Sequential(
            nn.Conv2d(in_channels, dim, 1), nn.ReLU(), nn.Conv2d(dim, dim, 1)
        )
        # What words attend to that are nowhere.
        self.nothing = nn.Parameter(torch.randn(1, 1, dim))
        sizes = AlbefSizes(
            text_dim=dim,
            text_depth=text_depth,
            text_hidden=2 * dim,
            fusion_layer=text_depth,  # fusion comes behind it
            vocab_size=vocab_size,
            max_tokens=max_tokens,
            num_heads=num_heads,
        )
        self.text_encoder = FusionTower(sizes)
        self.word_projection = nn.Linear(dim, dim)
        self.context_projection = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, 1)
        self.attention = WordAttention(sharpness)
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.bias = nn.Parameter(torch.tensor(-3.0))
        nn.init.normal_(self.text_encoder.embeddings.word_embeddings.weight, std=0.1)
        # At first a word means the same in every text.
        nn.init.zeros_(self.context_projection.weight)
        nn.init.zeros_(self.context_projection.bias)

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, *image_size) -> (B, 1 + h * w, dim) unit vectors, "nothing" first."""
        (features,) = self.backbone(pixels)
        patches = self.projection(features).flatten(2).transpose(1, 2)
        nothing = self.nothing.expand(len(patches), -1, -1)
        return functional.normalize(torch.cat([nothing, patches], dim=1), dim=-1)

    def fuse(self, ids: Tensor, mask: Tensor, features: Tensor) -> Tensor:
        """Score texts with encoded images.

        Args:
            ids (Tensor): (B, T) int64.
            mask (Tensor): (B, T) bool, False where padded.
            features (Tensor): (B / P, 1 + h * w, dim); P texts in a row are about one
                image.

        Returns:
            Tensor: (B, 2) logits of "no match" and "match".
        """
        context = self.text_encoder(ids, mask, features)
        words = self._words(ids) + self.context_projection(context)
        words = functional.normalize(words, dim=-1)
        found = (words * self.attention(words, features)[0]).sum(dim=-1)
        gate = self.gate(context)[..., 0].masked_fill(~mask, float('-inf'))
        match = self.scale * (gate.softmax(dim=-1) * found).sum(dim=-1) + self.bias
        return torch.stack([torch.zeros_like(match), match], dim=-1)

    def align(self, ids: Tensor, mask: Tensor, features: Tensor) -> Tensor:
        """Compare single words with patches.

        Args:
            ids (Tensor): (W, T) int64, the word pieces of each word.
            mask (Tensor): (W, T) bool, False where padded.
            features (Tensor): (B, 1 + h * w, dim).

        Returns:
            Tensor: (B, W, h * w), cosines in [-1, 1].
        """
        weight = mask[..., None].to(features)
        words = (self._words(ids) * weight).sum(dim=1)
        words = functional.normalize(words, dim=-1)
        return words @ features[:, 1:].transpose(1, 2)

    def _words(self, ids: Tensor) -> Tensor:
        return self.word_projection(self.text_encoder.embeddings.word_embeddings(ids))
