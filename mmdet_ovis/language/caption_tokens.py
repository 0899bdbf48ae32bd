"""Captions as sequences of tokens with fixed vectors: word pieces, or known words."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from mmdet.registry import TASK_UTILS
from numpy.typing import NDArray

from ..structures.vocabulary import Vocabulary
from .embedding_bank import TextEmbeddingBank
from .noun_parser import NounParser
from .pretrained_encoders import BertWordPieceEncoder


class TokenizedCaption(NamedTuple):
    """What of a caption has a vector.

    Attributes:
        texts (tuple[str, ...]): n tokens in the order of the caption.
        vectors (NDArray[np.float32]): (n, D).
        ids (NDArray[np.int64]): (n,) rows of the table of all tokens that are these
            vectors.
    """

    texts: tuple[str, ...]
    vectors: NDArray[np.float32]
    ids: NDArray[np.int64]


class CaptionTokens(ABC):
    """Makes tokens of captions; what it needs is loaded with the first one.

    Attributes:
        source (str): Where the vectors come from, for messages.
    """

    source: str

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, the length of a vector."""

    @property
    @abstractmethod
    def table(self) -> NDArray[np.float32]:
        """(V, D), vectors of all tokens that a caption can have."""

    @abstractmethod
    def __call__(self, caption: str) -> TokenizedCaption:
        """Make tokens of a caption; possibly there are none."""


@TASK_UTILS.register_module()
class WordPieceTokens(CaptionTokens):
    """Word pieces of BERT with the rows of its embedding table, as in OVR-CNN.

    Special tokens and pieces that the model does not know are left out.

    Args:
        model (str | PathLike): Folder made by ``save_pretrained`` or hub name.
        max_tokens (int): Pieces of a caption that count, at least 1.

    Raises:
        ValueError: If ``max_tokens`` is less than 1.
    """

    def __init__(
        self, model: str | os.PathLike = 'bert-base-uncased', max_tokens: int = 64
    ) -> None:
        if max_tokens < 1:
            raise ValueError(f'max_tokens is at least 1, not {max_tokens}')
        self.source = os.fspath(model)
        self.max_tokens = max_tokens

    @cached_property
    def _encoder(self) -> BertWordPieceEncoder:
        return BertWordPieceEncoder(self.source)

    @property
    def dim(self) -> int:
        """D; see the base class."""
        return self._encoder.dim

    @property
    def table(self) -> NDArray[np.float32]:
        """Embedding table of BERT; see the base class."""
        return self._encoder.table

    def __call__(self, caption: str) -> TokenizedCaption:
        """Cut a caption into word pieces; see the base class.

        Raises:
            MissingPackageError: If transformers is not installed.
            ValueError: If the model cannot be loaded.
        """
        pieces, ids = self._encoder.pieces(caption)
        ids = ids[: self.max_tokens]
        return TokenizedCaption(pieces[: self.max_tokens], self.table[ids], ids)


@TASK_UTILS.register_module()
class BankTokens(CaptionTokens):
    """The words of a caption that a text embedding bank knows.

    Words are found as :class:`.noun_parser.NounParser` finds them (plurals, aliases),
    and stand for the names of the bank.

    Args:
        embeddings (str | PathLike): Text embedding bank (``.npz``).
        parser (Mapping, optional): Further arguments of the parser.

    Examples:
        >>> import tempfile
        >>> bank = TextEmbeddingBank(('disc', 'star'), np.eye(2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     bank.save(f'{folder}/bank.npz')
        ...     tokens = BankTokens(f'{folder}/bank.npz')
        ...     tokens('Two red discs above a star.').texts
        ('disc', 'star')
    """

    def __init__(
        self, embeddings: str | os.PathLike, parser: Mapping[str, Any] | None = None
    ) -> None:
        self.source = os.fspath(embeddings)
        self._options = dict(parser or {})

    @cached_property
    def _bank(self) -> TextEmbeddingBank:
        return TextEmbeddingBank.load(self.source)

    @cached_property
    def _parser(self) -> NounParser:
        vocabulary = Vocabulary(self._bank.names, self._bank.synonyms)
        return NounParser(vocabulary, **self._options)

    @property
    def dim(self) -> int:
        """D; see the base class."""
        return self._bank.dim

    @property
    def table(self) -> NDArray[np.float32]:
        """Vectors of the bank; see the base class."""
        return self._bank.embeddings

    def __call__(self, caption: str) -> TokenizedCaption:
        """Find the words of the bank in a caption; see the base class.

        Raises:
            FileNotFoundError: If there is no such bank.
            ValueError: If it is none, or an argument of the parser is wrong.
        """
        names = tuple(phrase.name for phrase in self._parser(caption))
        ids = np.array(self._bank.rows(names), np.int64)
        return TokenizedCaption(names, self.table[ids], ids)
