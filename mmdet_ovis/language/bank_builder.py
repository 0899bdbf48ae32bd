"""From names to a text embedding bank."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..structures.vocabulary import Vocabulary, name_key
from ..utils.settings import check_choice
from .embedding_bank import NORMALIZATIONS, TextEmbeddingBank
from .prompts import TEMPLATES, check_templates, fill_templates, templates_hash
from .surface import embedding_text, embedding_texts
from .text_encoders import EncoderChoice, TextEncoder

SYNONYM_MODES: Final = ('average', 'separate', 'ignore')
"""One vector for a name and its synonyms, one for each of them, or for the name."""

Vector = NDArray[np.float32]


def build_text_embedding_bank(
    vocabulary: Vocabulary,
    encoder: TextEncoder | EncoderChoice,
    templates: Sequence[str] = TEMPLATES['vild63'],
    normalization: str = 'both',
    synonyms: str = 'average',
    cache: TextEmbeddingBank | None = None,
    advance: Callable[[], None] | None = None,
) -> TextEmbeddingBank:
    """Make the text vectors of a vocabulary.

    The vector of a text is the mean over the templates; ``normalization`` says whether
    unit vectors are averaged (``'template'``), the mean is made a unit vector
    (``'class'``), ``'both'`` or ``'none'``, as Mask-free OVIS has it. Synonyms are
    averaged after that, and the mean made a unit vector again where the vectors are.

    Args:
        vocabulary (Vocabulary): Names with synonyms; see
            :func:`~mmdet_ovis.language.surface.embedding_texts` for what is encoded.
        encoder (TextEncoder | EncoderChoice): The encoder, or how to load it; it is
            loaded only if a text is not in the cache.
        templates (Sequence[str]): Prompts with ``{}`` for the text.
        normalization (str): One of `NORMALIZATIONS`.
        synonyms (str): ``'average'``; ``'separate'``, where each synonym becomes a
            name of the bank of its own, so that a detector can take the largest of
            their logits; or ``'ignore'``.
        cache (TextEmbeddingBank, optional): Vectors made before with the same encoder,
            templates and normalisation.
        advance (Callable, optional): Called once for each text that has been encoded.

    Returns:
        TextEmbeddingBank: The names of the vocabulary in its order, behind them the
        synonyms if they are separate.

    Raises:
        ValueError: If a setting is unknown, the cache was made differently, or the
            encoder cannot be loaded.

    Examples:
        >>> from mmdet_ovis.language.text_encoders import HashTextEncoder
        >>> vocabulary = Vocabulary.parse('dog. couch|sofa')
        >>> bank = build_text_embedding_bank(vocabulary, HashTextEncoder(8))
        >>> bank.names, bank.embeddings.shape
        (('dog', 'couch'), (2, 8))
        >>> build_text_embedding_bank(
        ...     vocabulary, HashTextEncoder(8), synonyms='separate'
        ... ).names
        ('dog', 'couch', 'sofa')
    """
    check_choice('normalization', normalization, NORMALIZATIONS)
    check_choice('synonyms', synonyms, SYNONYM_MODES)
    check_templates(templates)
    meta = {
        'model_id': encoder.model_id,
        'templates_hash': templates_hash(templates),
        'normalization': normalization,
    }
    if cache is not None:
        cache.require(meta, 'what is asked for')
    rows = _rows(vocabulary, synonyms)
    known = _known_vectors(cache)
    missing = missing_texts(rows.values(), known)
    if missing:
        loaded = encoder() if isinstance(encoder, EncoderChoice) else encoder
        known |= _encode(loaded, missing, templates, normalization, advance)
    unit = normalization in ('class', 'both')
    return TextEmbeddingBank(
        tuple(rows),
        np.stack([_row_vector(texts, known, unit) for texts in rows.values()]),
        synonyms=_recorded_synonyms(rows),
        **meta,
    )


def count_missing(
    vocabulary: Vocabulary, synonyms: str, cache: TextEmbeddingBank | None
) -> int:
    """Count the texts that an encoder would have to be loaded for."""
    rows = _rows(vocabulary, synonyms)
    return len(missing_texts(rows.values(), _known_vectors(cache)))


def look_up(
    vocabulary: Vocabulary, banks: Sequence[TextEmbeddingBank]
) -> tuple[dict[str, Vector], list[str]]:
    """Find the vectors of a vocabulary in banks, without a text encoder.

    A name without synonyms is what the first bank that has it says. Any other is the
    mean over its texts, each from the first bank that has it.

    Args:
        vocabulary (Vocabulary): Names with synonyms.
        banks (Sequence[TextEmbeddingBank]): Made in the same way; the first that has
            a name or text counts.

    Returns:
        tuple[dict[str, NDArray[np.float32]], list[str]]: Vectors (D,) by name, and the
        texts that an encoder is needed for.

    Examples:
        >>> bank = TextEmbeddingBank(('Couch', 'dog'), np.eye(2), (('sofa',), ()))
        >>> found, missing = look_up(Vocabulary.parse('dog. couch. cup|mug'), [bank])
        >>> found['couch'], missing
        (array([1., 0.], dtype=float32), ['cup', 'mug'])
    """
    known: dict[tuple[str, ...], Vector] = {}
    for bank in banks:
        known = {**_known_vectors(bank), **known}
    unit = any(bank.normalization in ('class', 'both') for bank in banks)
    found: dict[str, Vector] = {}
    missing: dict[str, None] = {}
    for label, (name, texts) in enumerate(_rows(vocabulary, 'average').items()):
        by_name = [bank for bank in banks if name in bank]
        if by_name and len(vocabulary.forms(label)) == 1:
            found[name] = by_name[0].select([name])[0]
            continue
        lacking = missing_texts([texts], known)
        if lacking:
            missing |= dict.fromkeys(lacking)
        else:
            found[name] = _row_vector(texts, known, unit)
    return found, list(missing)


def missing_texts(
    rows: Iterable[tuple[str, ...]], known: Mapping[tuple[str, ...], Vector]
) -> list[str]:
    """List the texts without a vector, each once, in order."""
    lacking = (row for row in rows if row not in known)
    texts = dict.fromkeys(text for row in lacking for text in row)
    return [text for text in texts if (text,) not in known]


def _rows(vocabulary: Vocabulary, synonyms: str) -> dict[str, tuple[str, ...]]:
    """Texts of each row of the bank, by its name."""
    texts = embedding_texts(vocabulary)
    if synonyms == 'average':
        return dict(zip(vocabulary.names, texts, strict=True))
    rows = {n: t[:1] for n, t in zip(vocabulary.names, texts, strict=True)}
    if synonyms == 'separate':
        for form in (form for row in texts for form in row[1:]):
            if form not in vocabulary:
                rows.setdefault(form, (form,))
    return rows


def _known_vectors(
    cache: TextEmbeddingBank | None,
) -> dict[tuple[str, ...], Vector]:
    if cache is None:
        return {}
    return {
        cache.texts(name): vector
        for name, vector in zip(cache.names, cache.embeddings, strict=True)
    }


def _encode(
    encoder: TextEncoder,
    texts: Sequence[str],
    templates: Sequence[str],
    normalization: str,
    advance: Callable[[], None] | None,
) -> dict[tuple[str, ...], Vector]:
    """Make the vector of each text."""
    vectors = {}
    chunk = max(1, encoder.batch_size // len(templates))
    for start in range(0, len(texts), chunk):
        part = texts[start : start + chunk]
        prompts = [p for text in part for p in fill_templates(templates, text)]
        encoded = encoder.encode(prompts).reshape(len(part), len(templates), -1)
        for text, of_text in zip(part, encoded, strict=True):  # of_text: T x D
            vectors[(text,)] = average_templates(of_text, normalization)
            if advance is not None:
                advance()
    return vectors


def average_templates(vectors: Vector, normalization: str) -> Vector:
    """Average the vectors of one text over templates.

    Args:
        vectors (NDArray[np.float32]): (T, D), one a template.
        normalization (str): One of `NORMALIZATIONS`.

    Returns:
        NDArray[np.float32]: (D,).

    Examples:
        >>> vectors = np.array([[3, 0], [0, 1]], dtype=np.float32)
        >>> average_templates(vectors, 'none'), average_templates(vectors, 'template')
        (array([1.5, 0.5], dtype=float32), array([0.5, 0.5], dtype=float32))
        >>> average_templates(vectors, 'both')
        array([0.70710677, 0.70710677], dtype=float32)
    """
    if normalization in ('template', 'both'):
        vectors = _unit(vectors)
    mean = vectors.mean(axis=0)
    return _unit(mean) if normalization in ('class', 'both') else mean


def _row_vector(
    texts: tuple[str, ...], known: Mapping[tuple[str, ...], Vector], unit: bool
) -> Vector:
    if texts in known:
        return known[texts]
    mean = np.stack([known[(text,)] for text in texts]).mean(axis=0)
    return _unit(mean) if unit else mean


def _unit(vectors: Vector) -> Vector:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not norms.all():
        raise ValueError(
            'a text vector is zero and has no direction; use another text encoder, or '
            "normalization 'none'"
        )
    return vectors / norms


def _recorded_synonyms(
    rows: Mapping[str, tuple[str, ...]],
) -> tuple[tuple[str, ...], ...]:
    """What the bank has to say beyond the names; see `TextEmbeddingBank.texts`."""
    synonyms = tuple(
        texts[1:] if texts[0] == name_key(name) == embedding_text(name) else texts
        for name, texts in rows.items()
    )
    return synonyms if any(synonyms) else ()
