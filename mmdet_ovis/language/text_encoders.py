"""What turns text into vectors: the interface, and how to choose one by name."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..utils.settings import check_choice

BATCH_SIZE: Final = 64


class TextEncoder(ABC):
    """Text to vectors, without gradients.

    Attributes:
        model_id (str): Names weights and method; equal ids give equal vectors.
        dim (int): D, the length of a vector.
        batch_size (int): Texts that are encoded at once.
    """

    model_id: str
    dim: int
    batch_size: int = BATCH_SIZE

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts, a batch at a time.

        Args:
            texts (Sequence[str]): n texts.

        Returns:
            NDArray[np.float32]: (n, D), not normalised.

        Raises:
            ValueError: If a text is blank.
        """
        texts = list(texts)
        for i, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f'text {i} to encode is blank: {text!r}')
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), self.batch_size):
            batch = slice(start, start + self.batch_size)
            vectors[batch] = self.encode_batch(texts[batch])
        return vectors

    @abstractmethod
    def encode_batch(self, texts: list[str]) -> NDArray[np.float32]:
        """Encode b texts at once, (b, D)."""


class HashTextEncoder(TextEncoder):
    """Vectors that depend on the letters of a text and mean nothing.

    For tests and dry runs without weights: each text has its own vector, the same
    everywhere, and those of different texts are nearly orthogonal. A detector can be
    trained with them on classes that it sees, and recognises no others.

    Args:
        dim (int): D.

    Raises:
        ValueError: If ``dim`` is less than 1.

    Examples:
        >>> encoder = HashTextEncoder(4)
        >>> encoder.encode(['cat', 'dog', 'cat']).round(2)
        array([[-0.32,  0.55,  0.65,  0.4 ],
               [ 0.82,  0.28,  0.42,  0.26],
               [-0.32,  0.55,  0.65,  0.4 ]], dtype=float32)
    """

    def __init__(self, dim: int = 512) -> None:
        if dim < 1:
            raise ValueError(f'vectors have at least one dimension, not {dim}')
        self.dim = dim
        self.model_id = f'hash-{dim}'

    def encode_batch(self, texts: list[str]) -> NDArray[np.float32]:
        """Spread a hash over the unit sphere; see the base class."""
        digests = [
            hashlib.shake_256(text.encode()).digest(4 * self.dim) for text in texts
        ]
        integers = np.frombuffer(b''.join(digests), dtype='<u4')
        values = integers.reshape(len(texts), self.dim) / 2**31 - 1
        return values / np.linalg.norm(values, axis=1, keepdims=True)


@dataclass(frozen=True)
class EncoderChoice:
    """Which text encoder, before anything of it is loaded.

    Call it to load the encoder. What it is worth is that :attr:`model_id` is known
    before, so that vectors which a file holds already need no weights.

    Attributes:
        kind (str): One of `ENCODER_KINDS`.
        model (str): Hub name or folder, for ``'transformers'`` with the pooling behind
            a ``#`` (``google/siglip-base-patch16-224#projected``; default ``mean``);
            for ``'hash'`` the dimension.
        device (str): Of PyTorch.
        batch_size (int): Texts that are encoded at once.

    Raises:
        ValueError: If there is no such kind, or it needs a model.

    Examples:
        >>> choice = EncoderChoice('hash', '8')
        >>> choice.model_id, choice().dim
        ('hash-8', 8)
        >>> EncoderChoice('bert').model_id
        'bert-base-uncased#word-pieces'
    """

    kind: str
    model: str = ''
    device: str = 'cpu'
    batch_size: int = BATCH_SIZE

    def __post_init__(self) -> None:
        check_choice('the text encoder', self.kind, ENCODER_KINDS)
        if self.batch_size < 1:
            raise ValueError(f'batch_size is at least 1, not {self.batch_size}')
        model = self.model or _KINDS[self.kind].model
        if not model:
            raise ValueError(f"the text encoder '{self.kind}' needs a model")
        if self.kind == 'transformers' and '#' not in model:
            model = f'{model}#mean'
        object.__setattr__(self, 'model', model)

    @classmethod
    def parse(cls, text: str, device: str = 'cpu') -> EncoderChoice:
        """Read a choice that a user types.

        Args:
            text (str): ``KIND`` or ``KIND:MODEL``; anything else is a model of CLIP.
            device (str): Of PyTorch.

        Examples:
            >>> EncoderChoice.parse('hash:8').model_id
            'hash-8'
            >>> EncoderChoice.parse('openai/clip-vit-base-patch16').kind
            'clip'
        """
        kind, _, model = text.partition(':')
        if kind in _KINDS:
            return cls(kind, model, device)
        return cls('clip', text, device)

    @property
    def model_id(self) -> str:
        """What ``model_id`` of the encoder is going to be."""
        return _KINDS[self.kind].model_id.format(self.model)

    @property
    def templates(self) -> str:
        """Templates that go with it if nothing else is said."""
        return _KINDS[self.kind].templates

    @property
    def normalization(self) -> str:
        """Normalisation that goes with it if nothing else is said."""
        return _KINDS[self.kind].normalization

    def __call__(self) -> TextEncoder:
        """Load the encoder.

        Raises:
            ValueError: If its weights cannot be loaded.
        """
        encoder = _KINDS[self.kind].build(self.model, self.device)
        encoder.batch_size = self.batch_size
        return encoder


@dataclass(frozen=True)
class _Kind:
    """How encoders of a kind are named and built, and what goes with them."""

    build: Callable[[str, str], TextEncoder]
    model_id: str
    model: str
    templates: str = 'vild63'
    normalization: str = 'both'


def _build_hash(model: str, device: str) -> TextEncoder:
    if not model.isdecimal():
        raise ValueError(
            f"the model of the text encoder 'hash' is a dimension, not '{model}'"
        )
    return HashTextEncoder(int(model))


def _build_clip(model: str, device: str) -> TextEncoder:
    from .pretrained_encoders import ClipTextEncoder

    return ClipTextEncoder(model, device)


def _build_word_pieces(model: str, device: str) -> TextEncoder:
    from .pretrained_encoders import BertWordPieceEncoder

    return BertWordPieceEncoder(model, device)


def _build_transformers(model: str, device: str) -> TextEncoder:
    from .pretrained_encoders import TransformersTextEncoder

    name, _, pooling = model.rpartition('#')
    return TransformersTextEncoder(name, device, pooling)


_KINDS = {
    'clip': _Kind(_build_clip, '{}', 'openai/clip-vit-base-patch32'),
    'bert': _Kind(
        _build_word_pieces, '{}#word-pieces', 'bert-base-uncased', 'none', 'none'
    ),
    'transformers': _Kind(_build_transformers, '{}', ''),
    'hash': _Kind(_build_hash, 'hash-{}', '512'),
}
ENCODER_KINDS: Final = tuple(_KINDS)
"""Text encoders by name, see `mmdet_ovis.language.pretrained_encoders`."""
