"""ALBEF's networks for image-text matching, with the names of its published weights.

A vision transformer encodes the image. One BERT reads the text with its lower layers
and, with cross-attention to the image, fuses both in its upper layers. The first fused
token is scored. J. Li et al., Align before Fuse: Vision and Language Representation
Learning with Momentum Distillation, NeurIPS 2021.

What attends returns its probabilities as well, (B, heads, queries, keys).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

VISION_EPS = 1e-6
TEXT_EPS = 1e-12


@dataclass(frozen=True)
class AlbefSizes:
    """Sizes of the networks; those of the published model are the defaults.

    Attributes:
        image_size (int): Side of the square input in pixels.
        patch_size (int): Side of a patch in pixels.
        vision_dim (int): Width of the image tower.
        vision_depth (int): Its number of blocks.
        vision_hidden (int): Width inside its blocks.
        text_dim (int): Width of BERT.
        text_depth (int): Its number of layers.
        text_hidden (int): Width inside its layers.
        fusion_layer (int): First layer with cross-attention, from 0.
        vocab_size (int): Number of word pieces.
        max_tokens (int): Number of position embeddings.
        num_heads (int): Attention heads of both networks.
    """

    image_size: int = 256
    patch_size: int = 16
    vision_dim: int = 768
    vision_depth: int = 12
    vision_hidden: int = 3072
    text_dim: int = 768
    text_depth: int = 12
    text_hidden: int = 3072
    fusion_layer: int = 6
    vocab_size: int = 30522
    max_tokens: int = 512
    num_heads: int = 12


class AlbefNetwork(nn.Module):
    """Image tower, text and fusion stack, and the matching head.

    Args:
        sizes (AlbefSizes): Sizes.
    """

    def __init__(self, sizes: AlbefSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.visual_encoder = VisionTower(sizes)
        self.text_encoder = FusionTower(sizes)
        self.itm_head = nn.Linear(sizes.text_dim, 2)


class VisionTower(nn.Module):
    """Vision transformer with layer norm before each part, as timm names its parts."""

    def __init__(self, sizes: AlbefSizes) -> None:
        super().__init__()
        dim = sizes.vision_dim
        side = sizes.image_size // sizes.patch_size
        self.patch_embed = nn.ModuleDict(
            {'proj': nn.Conv2d(3, dim, sizes.patch_size, sizes.patch_size)}
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + side**2, dim))
        self.blocks = nn.ModuleList(
            VisionBlock(dim, sizes.vision_hidden, sizes.num_heads)
            for _ in range(sizes.vision_depth)
        )
        self.norm = nn.LayerNorm(dim, VISION_EPS)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1 + h * w, D), class token first."""
        patches = self.patch_embed['proj'](pixels)
        positions = self._positions(*patches.shape[-2:])
        tokens = patches.flatten(2).transpose(1, 2)  # B x hw x D
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        tokens = tokens + positions
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def _positions(self, height: int, width: int) -> Tensor:
        """Position encodings of a grid, interpolated if it is not the trained one."""
        first, grid = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        side = round(grid.shape[1] ** 0.5)
        if (height, width) == (side, side):
            return self.pos_embed
        grid = grid.transpose(1, 2).unflatten(-1, (side, side))  # 1 x D x side x side
        grid = functional.interpolate(
            grid, (height, width), mode='bicubic', align_corners=False
        )
        return torch.cat([first, grid.flatten(2).transpose(1, 2)], dim=1)


class VisionBlock(nn.Module):
    """Self-attention and a perceptron, each with a residual."""

    def __init__(self, dim: int, hidden: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1 = nn.LayerNorm(dim, VISION_EPS)
        self.attn = nn.ModuleDict(
            {'qkv': nn.Linear(dim, 3 * dim), 'proj': nn.Linear(dim, dim)}
        )
        self.norm2 = nn.LayerNorm(dim, VISION_EPS)
        self.mlp = nn.ModuleDict(
            {'fc1': nn.Linear(dim, hidden), 'fc2': nn.Linear(hidden, dim)}
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        qkv = self.attn['qkv'](self.norm1(tokens)).unflatten(
            -1, (3, self.num_heads, -1)
        )
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each B x heads x N x D / heads
        context = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.attn['proj'](context.transpose(1, 2).flatten(2))
        hidden = functional.gelu(self.mlp['fc1'](self.norm2(tokens)))
        return tokens + self.mlp['fc2'](hidden)


class FusionTower(nn.Module):
    """BERT whose upper layers attend to an image as well."""

    def __init__(self, sizes: AlbefSizes) -> None:
        super().__init__()
        self.embeddings = TextEmbeddings(sizes)
        layers = [
            FusionLayer(sizes, crosses=i >= sizes.fusion_layer)
            for i in range(sizes.text_depth)
        ]
        self.encoder = nn.ModuleDict({'layer': nn.ModuleList(layers)})

    def forward(self, ids: Tensor, mask: Tensor, image: Tensor) -> Tensor:
        """Read texts and fuse them with images.

        Args:
            ids (Tensor): (B, T) int64.
            mask (Tensor): (B, T) bool, False where padded.
            image (Tensor): (B, N, vision_dim).

        Returns:
            Tensor: (B, T, text_dim).
        """
        hidden = self.embeddings(ids)
        for layer in self.encoder['layer']:
            hidden = layer(hidden, mask, image)
        return hidden


class TextEmbeddings(nn.Module):
    """Words, positions and the type of the only segment."""

    def __init__(self, sizes: AlbefSizes) -> None:
        super().__init__()
        dim = sizes.text_dim
        self.word_embeddings = nn.Embedding(sizes.vocab_size, dim)
        self.position_embeddings = nn.Embedding(sizes.max_tokens, dim)
        self.token_type_embeddings = nn.Embedding(2, dim)
        self.LayerNorm = nn.LayerNorm(dim, TEXT_EPS)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, D)."""
        words = self.word_embeddings(ids)
        positions = self.position_embeddings.weight[: ids.shape[1]]
        return self.LayerNorm(words + positions + self.token_type_embeddings.weight[0])


class FusionLayer(nn.Module):
    """A layer of BERT; in the fusion stack, cross-attention follows self-attention."""

    def __init__(self, sizes: AlbefSizes, crosses: bool) -> None:
        super().__init__()
        dim, heads = sizes.text_dim, sizes.num_heads
        self.attention = _attention(dim, dim, heads)
        self.crossattention = (
            _attention(dim, sizes.vision_dim, heads) if crosses else None
        )
        self.intermediate = nn.ModuleDict({'dense': nn.Linear(dim, sizes.text_hidden)})
        self.output = _residual(sizes.text_hidden, dim)

    def forward(self, hidden: Tensor, mask: Tensor, image: Tensor) -> Tensor:
        """(B, T, D), (B, T), (B, N, vision_dim) -> (B, T, D)."""
        hidden = _attend(self.attention, hidden, hidden, mask)
        if self.crossattention is not None:
            hidden = _attend(self.crossattention, hidden, image, None)
        inner = functional.gelu(self.intermediate['dense'](hidden))
        return _add(self.output, inner, hidden)


class Attention(nn.Module):
    """Attention of text tokens that gives its probabilities away.

    Args:
        dim (int): Width of the queries.
        context_dim (int): Width of what they attend to.
        num_heads (int): Heads.
    """

    def __init__(self, dim: int, context_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(context_dim, dim)
        self.value = nn.Linear(context_dim, dim)

    def forward(
        self, hidden: Tensor, context: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return what is read from ``context``, (B, T, D), and the probabilities."""
        query = self._split(self.query(hidden))
        key, value = self._split(self.key(context)), self._split(self.value(context))
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], float('-inf'))
        probabilities = scores.softmax(dim=-1)
        return (probabilities @ value).transpose(1, 2).flatten(2), probabilities

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def _attention(dim: int, context_dim: int, num_heads: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {'self': Attention(dim, context_dim, num_heads), 'output': _residual(dim, dim)}
    )


def _residual(in_dim: int, dim: int) -> nn.ModuleDict:
    parts = {'dense': nn.Linear(in_dim, dim), 'LayerNorm': nn.LayerNorm(dim, TEXT_EPS)}
    return nn.ModuleDict(parts)


def _attend(
    parts: nn.ModuleDict, hidden: Tensor, context: Tensor, mask: Tensor | None
) -> Tensor:
    return _add(parts['output'], parts['self'](hidden, context, mask)[0], hidden)


def _add(parts: nn.ModuleDict, update: Tensor, hidden: Tensor) -> Tensor:
    return parts['LayerNorm'](parts['dense'](update) + hidden)
