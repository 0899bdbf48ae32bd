"""Words that a user asks for, and their text vectors: looked up, else encoded."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from mmengine.logging import MMLogger
from numpy.typing import NDArray

from ...engine.vocabulary import text_space_differences
from ...language.bank_builder import build_text_embedding_bank, look_up
from ...language.captions import clean_caption
from ...language.embedding_bank import UNKNOWN, TextEmbeddingBank
from ...language.noun_mining import caption_nouns
from ...language.noun_parser import NounParser
from ...language.prompts import TEMPLATES, load_templates, templates_hash
from ...language.text_encoders import EncoderChoice
from ...language.vocabularies import load_vocabulary
from ...structures.vocabulary import Vocabulary

_SHOWN = 5


def choose_words(
    texts: str | None = None,
    vocabulary: str | os.PathLike | None = None,
    caption: str | None = None,
) -> Vocabulary:
    """Make the vocabulary that a user asks for.

    Args:
        texts (str, optional): Names between full stops, see
            :meth:`~mmdet_ovis.structures.vocabulary.Vocabulary.parse`.
        vocabulary (str | PathLike, optional): Preset or file, see
            :func:`~mmdet_ovis.language.vocabularies.load_vocabulary`.
        caption (str, optional): With one of the others, only those of its words that
            the caption names are taken; alone, the nouns of the caption.

    Returns:
        Vocabulary: In the order given; that of a caption alone in its own.

    Raises:
        FileNotFoundError: If there is no such preset or file.
        ValueError: If there is no word, or the caption names none.

    Examples:
        >>> choose_words('cat. dog. car', caption='Two dogs behind a car.').names
        ('dog', 'car')
        >>> choose_words(caption='Two dogs behind a car.').names
        ('dog', 'car')
    """
    if texts is None and vocabulary is None:
        if caption is None:
            raise ValueError('no words: give texts, a vocabulary or a caption')
        return caption_nouns(caption)
    chosen = Vocabulary.parse(texts) if texts is not None else None
    chosen = chosen or load_vocabulary(vocabulary)
    if caption is None:
        return chosen
    found = {phrase.name for phrase in NounParser(chosen)(clean_caption(caption))}
    if not found:
        raise ValueError(
            f'the caption {caption!r} names none of the {len(chosen)} words'
        )
    return Vocabulary.from_rows(
        chosen.forms(i) for i, name in enumerate(chosen.names) if name in found
    )


class WordVectors:
    """Text vectors of any words, in the text space that a detector was trained in.

    Words that a bank has need no text encoder, and nothing of it is loaded. Others are
    encoded and kept in a file of the cache folder, which is a bank like all others; its
    name tells text encoder, templates and normalisation apart.

    Args:
        banks (Sequence[str | PathLike]): Text embedding banks; of a word that several
            have, the first counts.
        encoder (EncoderChoice, optional): Loaded when a word is in no bank. Defaults to
            None: such words are refused.
        cache_dir (str | PathLike, optional): Where encoded words are kept. Defaults to
            None: nowhere.
        trained (Mapping): Text space that the detector was trained in, as far as it
            is known, see :func:`~mmdet_ovis.engine.vocabulary.text_spaces`.
        templates (str | PathLike, optional): Prompts for the encoder, a named set or
            file. Defaults to None: those of the first bank or of the training, else
            those that go with the encoder.

    Raises:
        FileNotFoundError: If a bank is missing.
        ValueError: If there is neither bank nor encoder, or they are of another text
            space than each other or the detector.

    Examples:
        >>> words = WordVectors([], EncoderChoice('hash', '8'))
        >>> words(Vocabulary.parse('dog. couch|sofa')).shape
        (2, 8)
    """

    def __init__(
        self,
        banks: Sequence[str | os.PathLike] = (),
        encoder: EncoderChoice | None = None,
        cache_dir: str | os.PathLike | None = None,
        trained: Mapping[str, Any] | None = None,
        templates: str | os.PathLike | None = None,
    ) -> None:
        if not banks and encoder is None:
            raise ValueError(
                'words need text vectors: give a text embedding bank (--embeddings), '
                'or a text encoder (--text-encoder)'
            )
        self.space: dict[str, Any] = {}
        self._sources: dict[str, str] = {}  # who said so
        self.agree(trained or {}, 'the checkpoint')
        self._banks: list[TextEmbeddingBank] = []
        for path in banks:
            bank = TextEmbeddingBank.load(path)
            self.agree(bank.meta, str(path))
            self._banks.append(bank)
        self._encoder = encoder
        self._cache: TextEmbeddingBank | None = None
        self.cache_file: Path | None = None
        if encoder is not None:
            self._set_encoder(encoder, templates, cache_dir)

    def agree(self, space: Mapping[str, Any], source: str) -> None:
        """Insist that a text space is the one so far, and learn from it.

        Args:
            space (Mapping): What is known of it, as ``meta`` of a bank.
            source (str): Who says so, for the message.

        Raises:
            ValueError: If vectors of one space are of no use in the other.
        """
        known = {key: value for key, value in space.items() if value != UNKNOWN}
        for key, is_fatal in text_space_differences(self.space, known).items():
            message = (
                f'{source} has text vectors of {key} {known[key]!r}, but '
                f'{self._sources[key]} those of {key} {self.space[key]!r}'
            )
            if is_fatal:
                raise ValueError(
                    f'{message}; use a bank that tools/ovis/prepare_text_embeddings.py '
                    'made with the same settings'
                )
            MMLogger.get_current_instance().warning(message)
        self.space = {**known, **self.space}
        self._sources = {**dict.fromkeys(known, source), **self._sources}

    def _set_encoder(
        self,
        encoder: EncoderChoice,
        templates: str | os.PathLike | None,
        cache_dir: str | os.PathLike | None,
    ) -> None:
        self._templates = self._choose_templates(encoder, templates)
        self._normalization = self.space.get('normalization', encoder.normalization)
        made = dict(
            model_id=encoder.model_id,
            templates_hash=templates_hash(self._templates),
            normalization=self._normalization,
        )
        self.agree(made, 'the text encoder')
        if cache_dir is None:
            return
        self.cache_file = Path(cache_dir, _file_name(made))
        if self.cache_file.exists():
            self._cache = TextEmbeddingBank.load(self.cache_file)
            self._cache.require(made, self.cache_file)
            self.agree(self._cache.meta, str(self.cache_file))

    def _choose_templates(
        self, encoder: EncoderChoice, templates: str | os.PathLike | None
    ) -> tuple[str, ...]:
        wanted = self.space.get('templates_hash')
        if templates is not None or wanted is None:
            return load_templates(templates or encoder.templates)
        for known in TEMPLATES.values():
            if templates_hash(known) == wanted:
                return known
        raise ValueError(
            f'{self._sources["templates_hash"]} has text vectors of templates '
            f'{wanted}, which are none of {", ".join(TEMPLATES)}; name the file that '
            'holds them (--templates)'
        )

    def __call__(self, vocabulary: Vocabulary) -> NDArray[np.float32]:
        """Return the vectors of a vocabulary.

        Args:
            vocabulary (Vocabulary): n names with synonyms.

        Returns:
            NDArray[np.float32]: (n, D), in the order of the names.

        Raises:
            ValueError: If a word is in no bank and there is no encoder, it cannot be
                loaded, or its vectors do not fit those of the banks.
        """
        found, missing = look_up(vocabulary, self._known)
        if missing:
            self._encode(missing)
            found, _ = look_up(vocabulary, self._known)
        return np.stack([found[name] for name in vocabulary.names])

    @property
    def _known(self) -> list[TextEmbeddingBank]:
        return [*self._banks, *([self._cache] if self._cache is not None else [])]

    def _encode(self, texts: Sequence[str]) -> None:
        """Add the vectors of texts to the cache."""
        if self._encoder is None:
            shown = ', '.join(f"'{text}'" for text in texts[:_SHOWN])
            more = f' and {len(texts) - _SHOWN} more' if texts[_SHOWN:] else ''
            model = self.space.get('model_id', 'the model that made the others')
            raise ValueError(
                f'the text embedding bank has no vector for {shown}{more}; give the '
                f'text encoder (--text-encoder {model}), or add them with '
                'tools/ovis/prepare_text_embeddings.py --append'
            )
        new = build_text_embedding_bank(
            Vocabulary(tuple(texts)),
            self._encoder,
            self._templates,
            self._normalization,
        )
        self.agree(new.meta, 'the text encoder')
        if self.cache_file is not None and self.cache_file.exists():
            # Another process may have added to it.
            self._cache = TextEmbeddingBank.load(self.cache_file)
            known = [text for text in new.names if text in self._cache]
            others = [text for text in new.names if text not in known]
            new = new.subset(others) if others else self._cache.subset(known)
        self._cache = new if self._cache is None else self._cache.merge(new)
        if self.cache_file is not None:
            self._cache.save(self.cache_file)


def _file_name(made: Mapping[str, str]) -> str:
    """Name the cache of a text encoder with its settings.

    Examples:
        >>> _file_name(dict(model_id='a/clip b'))
        'clip-b_2f962829587c.npz'
    """
    name = re.sub(r'[^\w.]+', '-', PurePath(made['model_id']).name)
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    return f'{name}_{digest[:12]}.npz'
