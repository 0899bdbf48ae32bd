"""Text vectors of classes, as a file that needs no text encoder to be used."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..structures.vocabulary import Vocabulary, name_key
from ..utils.io import atomic_write_bytes
from ..utils.npz import load_npz
from ..utils.settings import check_choice
from .surface import embedding_text

NORMALIZATIONS: Final = ('none', 'template', 'class', 'both')
"""Which vectors are made unit vectors: those of templates, of classes, or both."""

UNKNOWN: Final = 'unknown'
"""Model or templates of vectors that came without this information."""

_TEXT_KEYS: Final = ('model_id', 'templates_hash', 'normalization')
_KEYS: Final = ('names', 'embeddings', 'synonyms', *_TEXT_KEYS, 'dim')
_UNIT_TOLERANCE: Final = 1e-3
_SHOWN: Final = 5
_TOOL: Final = 'tools/ovis/prepare_text_embeddings.py'


@dataclass(frozen=True, eq=False)
class TextEmbeddingBank:
    """One text vector a class, and how they were made.

    The background is no class and has no vector here.

    Attributes:
        names (tuple[str, ...]): C class names, unique whatever their case.
        embeddings (NDArray[np.float32]): (C, D) their vectors.
        synonyms (tuple[tuple[str, ...], ...]): For each name, the texts other than the
            name that its vector is the mean of; ``()`` means none at all. A name that
            is no text (``car_(automobile)``) has its text here.
        model_id (str): The text encoder.
        templates_hash (str): Of the prompts, see
            :func:`~mmdet_ovis.language.prompts.templates_hash`.
        normalization (str): One of `NORMALIZATIONS`.

    Raises:
        ValueError: If names and vectors do not fit together, a vector is not finite,
            or the vectors are not what ``normalization`` says.

    Examples:
        >>> bank = TextEmbeddingBank(('cat', 'dog'), np.eye(2, dtype=np.float32))
        >>> bank.select(['Dog'])
        array([[0., 1.]], dtype=float32)
    """

    names: tuple[str, ...]
    embeddings: NDArray[np.float32]
    synonyms: tuple[tuple[str, ...], ...] = ()
    model_id: str = UNKNOWN
    templates_hash: str = UNKNOWN
    normalization: str = 'none'

    def __post_init__(self) -> None:
        vocabulary = Vocabulary(self.names, self.synonyms)  # checks both
        embeddings = np.array(self.embeddings, dtype=np.float32)
        object.__setattr__(self, 'names', vocabulary.names)
        object.__setattr__(self, 'synonyms', vocabulary.synonyms)
        object.__setattr__(self, 'embeddings', embeddings)
        if embeddings.ndim != 2 or len(embeddings) != len(self.names):
            raise ValueError(
                f'{len(self.names)} names need a matrix of as many rows, not an array '
                f'of shape {embeddings.shape}'
            )
        if not self.dim:
            raise ValueError('text vectors have at least one dimension')
        check_choice('normalization', self.normalization, NORMALIZATIONS)
        self._check_vectors()

    def _check_vectors(self) -> None:
        finite = np.isfinite(self.embeddings).all(axis=1)
        if not finite.all():
            name = self.names[int(finite.argmin())]
            raise ValueError(f"the text vector of '{name}' holds NaN or infinity")
        if self.normalization not in ('class', 'both'):
            return
        norms = np.linalg.norm(self.embeddings, axis=1)
        worst = int(np.abs(norms - 1).argmax())
        if abs(norms[worst] - 1) > _UNIT_TOLERANCE:
            raise ValueError(
                f"normalization is '{self.normalization}', but the text vector of "
                f"'{self.names[worst]}' has length {norms[worst]:.4g}, not 1"
            )

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name_key(name) in self._rows

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name_key(name): row for row, name in enumerate(self.names)}

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return self.embeddings.shape[1]

    @property
    def meta(self) -> dict[str, Any]:
        """How the vectors were made: what two banks have to share to be mixed."""
        return {**{key: getattr(self, key) for key in _TEXT_KEYS}, 'dim': self.dim}

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts that the vector of a name is the mean of.

        Examples:
            >>> bank = TextEmbeddingBank(('Couch',), np.ones((1, 2)), (('sofa',),))
            >>> bank.texts('couch')
            ('couch', 'sofa')
        """
        row = self.rows([name])[0]
        synonyms = self.synonyms[row] if self.synonyms else ()
        text = embedding_text(name)
        if text == name_key(name) or not synonyms:
            return (text, *synonyms)
        return synonyms

    def select(self, names: Iterable[str]) -> NDArray[np.float32]:
        """Return the vectors of some classes.

        Args:
            names (Iterable[str]): n names; case does not count.

        Returns:
            NDArray[np.float32]: (n, D), in the order of the names, a copy.

        Raises:
            ValueError: As for :meth:`rows`.
        """
        return self.embeddings[self.rows(names)]

    def subset(self, names: Iterable[str]) -> TextEmbeddingBank:
        """Return a bank of some classes, in the order of the names given.

        Raises:
            ValueError: As for :meth:`rows`.
        """
        rows = self.rows(names)
        return replace(
            self,
            names=tuple(self.names[row] for row in rows),
            embeddings=self.embeddings[rows],
            synonyms=tuple(self.synonyms[r] for r in rows) if self.synonyms else (),
        )

    def rows(self, names: Iterable[str]) -> list[int]:
        """Return where some classes stand.

        Args:
            names (Iterable[str]): n names; case does not count.

        Returns:
            list[int]: n places in :attr:`names`.

        Raises:
            ValueError: If names have no vector; the message lists them.
        """
        names = list(names)
        missing = [name for name in names if name not in self]
        if missing:
            shown = ', '.join(f"'{name}'" for name in missing[:_SHOWN])
            more = f' and {len(missing) - _SHOWN} more' if missing[_SHOWN:] else ''
            raise ValueError(
                f'the text embedding bank has no vector for {shown}{more}; add them '
                f'with {_TOOL} --append'
            )
        return [self._rows[name_key(name)] for name in names]

    def extend(
        self,
        names: Sequence[str],
        embeddings: NDArray[np.float32],
        synonyms: Sequence[Sequence[str]] = (),
    ) -> TextEmbeddingBank:
        """Return a bank with further classes, made in the same way.

        Args:
            names (Sequence[str]): n new names.
            embeddings (NDArray[np.float32]): (n, D).
            synonyms (Sequence[Sequence[str]]): As for the class.

        Raises:
            ValueError: If a name is there already, or shapes do not fit.
        """
        return self.merge(
            replace(self, names=names, embeddings=embeddings, synonyms=synonyms)
        )

    def merge(self, other: TextEmbeddingBank) -> TextEmbeddingBank:
        """Return a bank of the classes of both, those of this one first.

        Args:
            other (TextEmbeddingBank): Made in the same way. A name of both has to
                stand for the same texts with the same vector.

        Raises:
            ValueError: If they were made differently, or differ in a name.
        """
        self.require(other.meta, 'the bank to merge')
        for name in other.names:
            if name in self and not self._agrees(other, name):
                mine, its = (' + '.join(bank.texts(name)) for bank in (self, other))
                raise ValueError(
                    f"both banks have a vector of '{name}', but not the same one (of "
                    f'{mine}, and of {its}); keep them apart or leave the name out'
                )
        new = [row for row, name in enumerate(other.names) if name not in self]
        synonyms = (*_padded(self), *(_padded(other)[row] for row in new))
        return replace(
            self,
            names=(*self.names, *(other.names[row] for row in new)),
            embeddings=np.concatenate([self.embeddings, other.embeddings[new]]),
            synonyms=synonyms if any(synonyms) else (),
        )

    def _agrees(self, other: TextEmbeddingBank, name: str) -> bool:
        mine, its = self.select([name]), other.select([name])
        same = np.allclose(mine, its, rtol=1e-4, atol=1e-5)
        return same and self.texts(name) == other.texts(name)

    def require(self, meta: Mapping[str, Any], source: str | os.PathLike) -> None:
        """Check that vectors from elsewhere were made as these were.

        Args:
            meta (Mapping): What :attr:`meta` of the other side is; keys that it lacks
                are not compared.
            source (str | PathLike): The other side, for the message.

        Raises:
            ValueError: If they differ; the message says in what.
        """
        differences = [
            f'{key} {meta[key]!r} instead of {value!r}'
            for key, value in self.meta.items()
            if key in meta and meta[key] != value
        ]
        if differences:
            raise ValueError(f'{source} has {", ".join(differences)}')

    def save(self, path: str | os.PathLike) -> None:
        """Write the bank, atomically; the same bank gives the same bytes.

        Args:
            path (str | PathLike): An ``.npz`` file.
        """
        buffer = io.BytesIO()
        np.savez(
            buffer,
            names=np.array(self.names, dtype=np.str_),
            embeddings=self.embeddings,
            synonyms=np.array(json.dumps(self.synonyms, ensure_ascii=False)),
            dim=np.array(self.dim, dtype=np.int64),
            **{key: np.array(getattr(self, key)) for key in _TEXT_KEYS},
        )
        atomic_write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike) -> TextEmbeddingBank:
        """Read a bank; nothing in the file is executed.

        Args:
            path (str | PathLike): What :meth:`save` wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no text embedding bank, or a broken one.
        """
        arrays = load_npz(path, 'text embedding bank', _KEYS, f'{_TOOL} makes one')
        try:
            bank = cls(
                names=tuple(map(str, arrays['names'].tolist())),
                embeddings=arrays['embeddings'],
                synonyms=json.loads(str(arrays['synonyms'])),
                **{key: str(arrays[key]) for key in _TEXT_KEYS},
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f'{path}: {error}') from None
        if bank.dim != arrays['dim']:
            raise ValueError(
                f'{path}: dim is {arrays["dim"]}, but the vectors have {bank.dim}'
            )
        return bank


def _padded(bank: TextEmbeddingBank) -> tuple[tuple[str, ...], ...]:
    return bank.synonyms or ((),) * len(bank)
