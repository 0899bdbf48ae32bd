"""ALBEF as evidence: its published weights on the networks of ``albef_network``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from ..utils.checkpoint import (
    CheckpointError,
    check_state_dict,
    load_checkpoint,
    model_state,
)
from ..utils.pretrained import check_tokenizer, import_transformers, load_tokenizer
from .albef_network import AlbefNetwork, AlbefSizes
from .base import ImageState, patch_grid
from .cross_attention import CrossAttentionModel, TextTokens

_WANTED = ('visual_encoder.', 'text_encoder.embeddings.', 'text_encoder.encoder.')
_UNWANTED = ('text_encoder.embeddings.position_ids',)


@MODELS.register_module()
class AlbefMatcher(CrossAttentionModel):
    """ALBEF's image-text matching.

    Captions begin with ``[CLS]`` and end without ``[SEP]``, as where it was trained.

    Args:
        checkpoint (str | PathLike): The published ``.pth`` file, pre-trained or
            fine-tuned for retrieval; sizes are read from it.
        vocab (str | PathLike): ``vocab.txt`` of uncased BERT, or a folder or hub name
            with its tokenizer.
        block (int): Layer of the text encoder, from 0; only fusion layers have
            cross-attention. Defaults to 8, the third of them.
        image_size (int | tuple[int, int], optional): Multiple of the patch size;
            position encodings are interpolated. Defaults to what the model was
            trained with, in pre-training 256.
        num_heads (int): Attention heads, which weights do not tell. Defaults to 12.

    Raises:
        FileNotFoundError: If there is no such checkpoint or vocabulary.
        CheckpointError: If the checkpoint is not one of ALBEF, or incomplete.
        ValueError: If another argument does not fit the model.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike,
        vocab: str | os.PathLike,
        block: int = 8,
        image_size: int | tuple[int, int] | None = None,
        num_heads: int = 12,
    ) -> None:
        network = load_albef(checkpoint, num_heads)
        sizes = network.sizes
        tokenizer = load_wordpiece(vocab, sizes.vocab_size)
        super().__init__(network, tokenizer, image_size or sizes.image_size, block)
        self.grid = patch_grid(self.image_size, sizes.patch_size)

    @property
    def cross_attentions(self) -> Sequence[nn.Module | None]:
        """Module by block, see the base class."""
        return [
            None if layer.crossattention is None else layer.crossattention['self']
            for layer in self.network.text_encoder.encoder['layer']
        ]

    @property
    def max_tokens(self) -> int:
        """Longest caption in tokens."""
        return self.network.sizes.max_tokens

    def arrange(
        self, ids: list[int], offsets: list[tuple[int, int]]
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Take off the closing token."""
        return ids[:-1], offsets[:-1]

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> ImageState:
        """Run the image tower."""
        return ImageState(self.network.visual_encoder(pixels).float(), self.grid)

    def fuse(self, features: Tensor, tokens: TextTokens) -> Tensor:
        """Score encoded images with texts."""
        fused = self.network.text_encoder(tokens.ids, tokens.mask, features)
        return self.network.itm_head(fused[:, 0])


def load_albef(checkpoint: str | os.PathLike, num_heads: int = 12) -> AlbefNetwork:
    """Build the networks that a checkpoint of ALBEF belongs to, and load it.

    Momentum copies, queues, projections and the language model head are left out.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it would have to be unpickled, or is not a complete ALBEF.
    """
    content = load_checkpoint(checkpoint)
    state = select_albef_state(model_state(content.get('model', content), checkpoint))
    network = AlbefNetwork(infer_sizes(state, num_heads, checkpoint))
    check_state_dict(network, state, checkpoint)
    network.load_state_dict(state)
    return network.float()


def select_albef_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keep what image-text matching needs, under the names of our networks.

    Examples:
        >>> names = ['text_encoder.bert.embeddings.LayerNorm.bias', 'itm_head.bias',
        ...          'text_encoder.cls.predictions.bias', 'visual_encoder_m.norm.bias']
        >>> list(select_albef_state(dict.fromkeys(names)))
        ['text_encoder.embeddings.LayerNorm.bias', 'itm_head.bias']
    """
    renamed = {key.replace('.bert.', '.', 1): value for key, value in state.items()}
    return {
        key: value
        for key, value in renamed.items()
        if key.startswith((*_WANTED, 'itm_head.')) and key not in _UNWANTED
    }


def infer_sizes(
    state: Mapping[str, Tensor], num_heads: int, source: str | os.PathLike
) -> AlbefSizes:
    """Read the sizes of the networks from the shapes of their weights.

    Raises:
        CheckpointError: If weights are missing or the heads do not divide the width.
    """
    try:
        width, patch_size = _shape(state, 'visual_encoder.patch_embed.proj.weight')[::3]
        n_positions = _shape(state, 'visual_encoder.pos_embed')[1]
        words, text_dim = _shape(
            state, 'text_encoder.embeddings.word_embeddings.weight'
        )
        layers = 'text_encoder.encoder.layer.'
        sizes = AlbefSizes(
            image_size=round((n_positions - 1) ** 0.5) * patch_size,
            patch_size=patch_size,
            vision_dim=width,
            vision_depth=1 + max(_indices(state, 'visual_encoder.blocks.')),
            vision_hidden=_shape(state, 'visual_encoder.blocks.0.mlp.fc1.weight')[0],
            text_dim=text_dim,
            text_depth=1 + max(_indices(state, layers)),
            text_hidden=_shape(state, f'{layers}0.intermediate.dense.weight')[0],
            fusion_layer=min(_indices(state, layers, '.crossattention.')),
            vocab_size=words,
            max_tokens=_shape(
                state, 'text_encoder.embeddings.position_embeddings.weight'
            )[0],
            num_heads=num_heads,
        )
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f'{source} is not a checkpoint of ALBEF with cross-attention: {error}'
        ) from None
    if width % num_heads or text_dim % num_heads:
        raise CheckpointError(
            f'{source} has networks of width {width} and {text_dim}, which num_heads='
            f'{num_heads} does not divide'
        )
    return sizes


def load_wordpiece(vocab: str | os.PathLike, vocab_size: int | None = None) -> Any:
    """Load the uncased tokenizer of BERT.

    Args:
        vocab (str | PathLike): ``vocab.txt``, one word piece a line, or a folder or hub
            name with the tokenizer.
        vocab_size (int, optional): Number of word embeddings of the model that it is
            for; None if there is no model yet.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it is not a vocabulary, or that of another model.
    """
    path = Path(vocab).expanduser()
    if path.suffix != '.txt' and vocab_size is not None:
        return load_tokenizer(vocab, vocab_size)
    if not path.is_file():
        raise FileNotFoundError(f'no such vocabulary: {vocab}')
    pieces = path.read_text(encoding='utf-8').splitlines()
    missing = {'[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'} - set(pieces)
    if missing:
        raise ValueError(
            f'{vocab} is not a vocabulary of BERT: it lacks {sorted(missing)}'
        )
    transformers = import_transformers()
    version = int(transformers.__version__.split('.')[0])
    keyword = 'vocab' if version >= 5 else 'vocab_file'
    tokenizer = transformers.BertTokenizerFast(
        **{keyword: str(path)}, do_lower_case=True
    )
    if vocab_size is not None:
        check_tokenizer(tokenizer, vocab, vocab_size)
    return tokenizer


def _shape(state: Mapping[str, Tensor], key: str) -> tuple[int, ...]:
    if key not in state:
        raise ValueError(f"it has no '{key}'")
    return tuple(state[key].shape)


def _indices(state: Mapping[str, Tensor], prefix: str, part: str = '.') -> set[int]:
    """Numbers behind a prefix, of the keys that contain ``part`` as well."""
    found = {
        int(key[len(prefix) :].split('.')[0])
        for key in state
        if key.startswith(prefix) and part in key
    }
    if not found:
        raise ValueError(f"it has no '{prefix}*{part.strip('.')}'")
    return found
