"""Text encoders of the transformers library."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..utils.packages import MissingPackageError
from ..utils.pretrained import import_transformers, load_network, load_tokenizer
from ..utils.settings import check_choice
from .text_encoders import TextEncoder

POOLINGS = ('mean', 'pooled', 'projected')

_CLIP_TYPES = ('clip', 'clip_text_model')


class ClipTextEncoder(TextEncoder):
    """The text tower of CLIP: the projected vector that images are compared with.

    A. Radford et al., Learning Transferable Visual Models From Natural Language
    Supervision, ICML 2021.

    Args:
        model (str | PathLike): Folder made by ``save_pretrained`` or hub name.
        device (str): Of PyTorch.

    Raises:
        MissingPackageError: If transformers is not installed.
        ValueError: If the weights are missing, incomplete or of another model.
    """

    def __init__(self, model: str | os.PathLike, device: str = 'cpu') -> None:
        self.model_id = os.fspath(model)
        with _weights_of(model):
            network = load_network('CLIPTextModelWithProjection', model, _CLIP_TYPES)
            self._tokenizer = _tokenizer_of(model, network)
        self._network = _freeze(network, device)
        self.dim = network.text_projection.out_features

    @torch.no_grad()
    def encode_batch(self, texts: list[str]) -> NDArray[np.float32]:
        """Encode texts at once; see the base class."""
        tokens = _tokenize(self._tokenizer, self._network, texts)
        return self._network(**tokens).text_embeds.float().cpu().numpy()


class BertWordPieceEncoder(TextEncoder):
    """Mean of the input vectors of the word pieces of a text, as CMPL uses BERT.

    The rows of the embedding table, without transformer, position or layer norm;
    special tokens do not count.

    D. Huynh et al., Open-Vocabulary Instance Segmentation via Robust Cross-Modal
    Pseudo-Labeling, CVPR 2022.

    Args:
        model (str | PathLike): Folder made by ``save_pretrained`` or hub name.
        device (str): Of PyTorch.

    Raises:
        MissingPackageError: If transformers is not installed.
        ValueError: If the weights are missing or incomplete.
    """

    def __init__(self, model: str | os.PathLike, device: str = 'cpu') -> None:
        self.model_id = f'{os.fspath(model)}#word-pieces'
        with _weights_of(model):
            # Checkpoints of masked language models lack the pooler.
            network = load_network('AutoModel', model, unneeded=('pooler.',))
            self._tokenizer = _tokenizer_of(model, network)
        table = network.get_input_embeddings().weight.detach()
        self._table = table.to(device)  # V x D
        self.dim = table.shape[1]

    def encode_batch(self, texts: list[str]) -> NDArray[np.float32]:
        """Encode texts one by one, so that no padding is involved; see the base class.

        Raises:
            ValueError: If a text has no word piece.
        """
        vectors = []
        for text in texts:
            ids = self._tokenizer(text, add_special_tokens=False)['input_ids']
            if not ids:
                raise ValueError(f'the tokenizer finds no word piece in {text!r}')
            vectors.append(self._table[ids].mean(dim=0))
        return torch.stack(vectors).cpu().numpy()

    @property
    def table(self) -> NDArray[np.float32]:
        """(V, D), the vectors of all word pieces, special ones included."""
        return self._table.cpu().numpy()

    def pieces(self, text: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Return the word pieces of a text that the model knows.

        Args:
            text (str): Any text.

        Returns:
            tuple[tuple[str, ...], NDArray[np.int64]]: n pieces without special ones,
            and their rows in :attr:`table`, (n,).
        """
        special = set(self._tokenizer.all_special_ids)  # the unknown piece is one
        ids = self._tokenizer(text, add_special_tokens=False)['input_ids']
        ids = [i for i in ids if i not in special]
        pieces = self._tokenizer.convert_ids_to_tokens(ids)
        return tuple(pieces), np.array(ids, np.int64)


class TransformersTextEncoder(TextEncoder):
    """Any text model, or the text tower of a model for text and images.

    Args:
        model (str | PathLike): Folder made by ``save_pretrained`` or hub name.
        device (str): Of PyTorch.
        pooling (str): ``'mean'`` of the last hidden states of all tokens, ``'pooled'``
            for the model's own pooled output, ``'projected'`` for what images are
            compared with (``get_text_features``, for example of SigLIP).

    Raises:
        MissingPackageError: If transformers is not installed.
        ValueError: If the weights are missing or incomplete, or the model does not
            have what ``pooling`` asks for.
    """

    def __init__(
        self, model: str | os.PathLike, device: str = 'cpu', pooling: str = 'mean'
    ) -> None:
        check_choice('pooling', pooling, POOLINGS)
        self.model_id = f'{os.fspath(model)}#{pooling}'
        self._pooling = pooling
        unneeded = ('pooler.',) if pooling == 'mean' else ()
        with _weights_of(model):
            network = load_network('AutoModel', model, unneeded=unneeded)
            self._tokenizer = _tokenizer_of(model, network)
        if pooling == 'projected' and not hasattr(network, 'get_text_features'):
            raise ValueError(
                f"{model} compares no text with images, so that pooling 'projected' "
                "does not apply; use 'mean' or 'pooled'"
            )
        self._network = _freeze(network, device)
        # SigLIP was trained on texts padded to full length, without a mask.
        self._pads_fully = 'siglip' in network.config.model_type
        self.dim = len(self.encode_batch(['a'])[0])

    @torch.no_grad()
    def encode_batch(self, texts: list[str]) -> NDArray[np.float32]:
        """Encode texts at once; see the base class."""
        tokens = _tokenize(self._tokenizer, self._network, texts, self._pads_fully)
        return self._pool(tokens).float().cpu().numpy()

    def _pool(self, tokens: dict[str, Tensor]) -> Tensor:
        if self._pooling == 'projected':
            features = self._network.get_text_features(**tokens)
            # Version 5 returns an output object, version 4 the tensor itself.
            return getattr(features, 'pooler_output', features)
        output = getattr(self._network, 'text_model', self._network)(**tokens)
        if self._pooling == 'mean':
            mask = tokens.get('attention_mask', torch.ones_like(tokens['input_ids']))
            weights = mask[..., None].to(torch.float32)  # b x T x 1
            return (output.last_hidden_state * weights).sum(1) / weights.sum(1)
        pooled = getattr(output, 'pooler_output', None)
        if pooled is None:
            raise ValueError(
                f"{self.model_id}: the model has no pooled output; use 'mean'"
            )
        return pooled


def _freeze(network: nn.Module, device: str) -> nn.Module:
    return network.eval().requires_grad_(False).to(device)


def _tokenizer_of(model: str | os.PathLike, network: nn.Module) -> Any:
    return load_tokenizer(model, network.config.get_text_config().vocab_size)


def _tokenize(
    tokenizer: Any, network: nn.Module, texts: list[str], pad_fully: bool = False
) -> dict[str, Tensor]:
    """Make ids and mask (b, T) of texts, cut to what the model takes."""
    config = network.config.get_text_config()
    longest = min(
        tokenizer.model_max_length,
        getattr(config, 'max_position_embeddings', tokenizer.model_max_length),
    )
    tokens = tokenizer(
        texts,
        padding='max_length' if pad_fully else 'longest',
        truncation=True,
        max_length=longest,
        return_attention_mask=not pad_fully,
        return_token_type_ids=False,
        return_tensors='pt',
    )
    return {key: value.to(network.device) for key, value in tokens.items()}


@contextmanager
def _weights_of(model: str | os.PathLike) -> Iterator[None]:
    """Say in errors of loading that the weights are not always needed."""
    import_transformers('a text encoder')
    try:
        yield
    except MissingPackageError:
        raise
    except (ValueError, OSError) as error:
        raise ValueError(
            f"cannot load the text encoder '{model}': {error}. A text embedding bank "
            'that was made elsewhere does without it (--embeddings, --cache)'
        ) from None
