"""What makes the vocabulary of a head exchangeable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...language.embedding_bank import UNKNOWN, TextEmbeddingBank
from ...structures.vocabulary import Vocabulary
from .embedding_classifier import EmbeddingClassifier


class InstalledVocabulary(NamedTuple):
    """A vocabulary as a head holds it; :meth:`VocabularyMixin.install` takes it back.

    Attributes:
        names (tuple[str, ...]): C class names, in the order of the labels.
        background (tuple[str, ...]): K words that count as background.
        class_vectors (Tensor): (C, D) float32.
        background_vectors (Tensor): (K, D) float32.
    """

    names: tuple[str, ...]
    background: tuple[str, ...]
    class_vectors: Tensor
    background_vectors: Tensor


class VocabularyMixin:
    """Lets a head change its vocabulary.

    Stands among the bases of a module with these attributes:

    - ``classifier``, an ``EmbeddingClassifier``,
    - ``embeddings``, the path of a text embedding bank (``.npz``) or None.

    Its ``num_classes`` follows the vocabulary.
    """

    classifier: EmbeddingClassifier
    embeddings: str | None
    num_classes: int
    _names: tuple[str, ...] = ()
    _background: tuple[str, ...] = ()
    _bank: TextEmbeddingBank | None = None

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Names of the installed classes, in the order of the labels."""
        return self._names

    @property
    def background(self) -> tuple[str, ...]:
        """Words that count as background."""
        return self._background

    @property
    def text_space(self) -> dict[str, Any]:
        """Where vectors have to come from to fit.

        The dimension ``dim``, and with a bank the rest of its ``meta``, as far as it is
        known.
        """
        space = dict(dim=self.classifier.embed_dim)
        if self.embeddings is not None:
            meta = self._load_bank().meta
            space |= {key: value for key, value in meta.items() if value != UNKNOWN}
        return space

    def set_vocabulary(
        self,
        names: Sequence[str],
        embeddings: Tensor | None = None,
        background: Sequence[str] = (),
        background_embeddings: Tensor | None = None,
    ) -> None:
        """Install a vocabulary.

        Args:
            names (Sequence[str]): C names of classes, in the order of the labels.
            embeddings (Tensor, optional): (C, D) their vectors. Defaults to None: from
                the bank.
            background (Sequence[str]): K words that take part in the classification and
                never appear in results: they are summed up in the background.
                Defaults to ().
            background_embeddings (Tensor, optional): (K, D) their vectors. Defaults to
                None: from the bank.

        Raises:
            ValueError: If there is no name, a name is given twice (whatever its case)
                or has no vector, or the vectors do not fit.
        """
        names, background = tuple(names), tuple(background)
        Vocabulary((*names, *background))  # refuses duplicates
        self.classifier.set_vectors(
            self._vectors(names, embeddings),
            self._vectors(background, background_embeddings) if background else None,
        )
        self._names, self._background = names, background
        self.num_classes = len(names)

    @property
    def installed(self) -> InstalledVocabulary:
        """What is installed, for :meth:`install`."""
        return InstalledVocabulary(
            self._names,
            self._background,
            self.classifier.class_vectors,
            self.classifier.background_vectors,
        )

    def install(self, vocabulary: InstalledVocabulary) -> None:
        """Install what was installed before, without looking anything up.

        Args:
            vocabulary (InstalledVocabulary): What :attr:`installed` gave, of this head
                or of one with the same settings.
        """
        device = self.classifier.class_vectors.device
        self._names, self._background = vocabulary.names, vocabulary.background
        self.classifier.class_vectors = vocabulary.class_vectors.to(device)
        self.classifier.background_vectors = vocabulary.background_vectors.to(device)
        self.num_classes = len(vocabulary.names)

    @contextmanager
    def using_vocabulary(self, *args, **kwargs) -> Iterator[None]:
        """Within this context, have another vocabulary.

        Takes the arguments of :meth:`set_vocabulary`. Afterwards everything is as it
        was before, bit for bit.
        """
        before = self.installed
        self.set_vocabulary(*args, **kwargs)
        try:
            yield
        finally:
            self.install(before)

    @contextmanager
    def using_installed(self, vocabulary: InstalledVocabulary) -> Iterator[None]:
        """Within this context, have another vocabulary, without looking anything up.

        Args:
            vocabulary (InstalledVocabulary): As for :meth:`install`.
        """
        before = self.installed
        self.install(vocabulary)
        try:
            yield
        finally:
            self.install(before)

    def text_vectors(self, names: Sequence[str]) -> Tensor:
        """Look up text vectors as they stand in the bank.

        Args:
            names (Sequence[str]): n names of the bank, classes of this head or not.

        Returns:
            Tensor: (n, D) float32, on the device of the head.

        Raises:
            ValueError: If there is no bank, or it lacks a name.
        """
        vectors = torch.from_numpy(self._load_bank().select(names))
        return vectors.to(self.classifier.class_vectors.device)

    def _vectors(self, names: tuple[str, ...], embeddings: Tensor | None) -> Tensor:
        if embeddings is None:
            return torch.from_numpy(self._load_bank().select(names))
        embeddings = torch.as_tensor(embeddings)
        if len(embeddings) != len(names):
            raise ValueError(f'{len(names)} names for {len(embeddings)} text vectors')
        return embeddings

    def _load_bank(self) -> TextEmbeddingBank:
        if self.embeddings is None:
            raise ValueError(
                f'{type(self).__name__} has no text embedding bank: set its embeddings '
                'to an .npz file of tools/ovis/prepare_text_embeddings.py, or pass the '
                'vectors along with the names'
            )
        if self._bank is None:
            bank = TextEmbeddingBank.load(self.embeddings)
            if bank.dim != self.classifier.embed_dim:
                raise ValueError(
                    f'{self.embeddings} holds vectors of {bank.dim} dimensions, but '
                    f'embed_dim is {self.classifier.embed_dim}'
                )
            self._bank = bank
        return self._bank
