"""Making text embedding banks, as a job."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..language.bank_builder import build_text_embedding_bank, count_missing
from ..language.coco_embeddings import (
    CLIP_KEY,
    add_coco_embeddings,
    read_coco_embeddings,
)
from ..language.embedding_bank import UNKNOWN, TextEmbeddingBank
from ..language.prompts import load_templates, templates_hash
from ..language.text_encoders import EncoderChoice
from ..language.vocabularies import categories_as_rows
from ..structures.vocabulary import Vocabulary
from ..utils.io import atomic_write_json, read_json
from ..utils.progress import show_progress


@dataclass(frozen=True)
class BankReport:
    """What came of a job.

    Attributes:
        bank (TextEmbeddingBank): What was written.
        encoded (int): Texts that the encoder was needed for.
    """

    bank: TextEmbeddingBank
    encoded: int

    def __str__(self) -> str:
        bank = self.bank
        source = f'{self.encoded} texts encoded' if self.encoded else 'nothing encoded'
        return (
            f'{len(bank)} names, vectors of {bank.dim} numbers by {bank.model_id}, '
            f'templates {bank.templates_hash}, normalization {bank.normalization}; '
            f'{source}'
        )


def prepare_text_embeddings(
    vocabulary: Vocabulary,
    encoder: EncoderChoice,
    out: str | os.PathLike,
    templates: str | os.PathLike | None = None,
    normalization: str | None = None,
    synonyms: str = 'average',
    cache: str | os.PathLike | None = None,
    append: bool = False,
) -> BankReport:
    """Make the text embedding bank of a vocabulary and write it.

    Args:
        vocabulary (Vocabulary): Names, with synonyms where there are any.
        encoder (EncoderChoice): Loaded only if a text is not in the cache.
        out (str | PathLike): The ``.npz`` file to write.
        templates (str | PathLike, optional): Named set or file, see
            :func:`~mmdet_ovis.language.prompts.load_templates`. Defaults to None: what
            goes with the encoder.
        normalization (str, optional): One of
            `mmdet_ovis.language.embedding_bank.NORMALIZATIONS`. Defaults to None: what
            goes with the encoder.
        synonyms (str): ``'average'``, ``'separate'`` or ``'ignore'``.
        cache (str | PathLike, optional): A bank whose vectors are used where it has
            them.
        append (bool): Keep what ``out`` holds already, and use it as cache as well.

    Returns:
        BankReport: What was written.

    Raises:
        FileNotFoundError: If cache or templates are missing.
        ValueError: If a bank was made differently, writing would lose names of the
            cache, or the encoder cannot be loaded.
    """
    out = Path(out)
    known = _load_known(out, cache, append)
    how: dict[str, Any] = dict(
        templates=load_templates(templates or encoder.templates),
        normalization=normalization or encoder.normalization,
        synonyms=synonyms,
    )
    missing = count_missing(vocabulary, synonyms, known)
    with show_progress('text embeddings', missing, unit='texts') as advance:
        bank = build_text_embedding_bank(
            vocabulary, encoder, **how, cache=known, advance=advance
        )
    if append and out.exists():
        bank = TextEmbeddingBank.load(out).merge(bank)
    _check_nothing_is_lost(bank, out, cache)
    bank.save(out)
    return BankReport(bank, missing)


def _load_known(
    out: Path, cache: str | os.PathLike | None, append: bool
) -> TextEmbeddingBank | None:
    paths = [Path(cache)] if cache is not None else []
    if append and out.exists() and out not in paths:
        paths.append(out)
    known = None
    for path in paths:
        bank = TextEmbeddingBank.load(path)
        known = bank if known is None else known.merge(bank)
    return known


def _check_nothing_is_lost(
    bank: TextEmbeddingBank, out: Path, cache: str | os.PathLike | None
) -> None:
    if cache is None or not (out.exists() and out.samefile(cache)):
        return
    lost = [name for name in TextEmbeddingBank.load(out).names if name not in bank]
    if lost:
        raise ValueError(
            f"{out} is the cache and would lose {len(lost)} names ('{lost[0]}', ...); "
            'append, or write to another file'
        )


def import_text_embeddings(
    coco_json: str | os.PathLike,
    out: str | os.PathLike,
    key: str = CLIP_KEY,
    model_id: str = UNKNOWN,
    templates: str | os.PathLike | None = None,
    normalization: str = 'none',
) -> BankReport:
    """Make a text embedding bank of the vectors that stand in a COCO file.

    Args:
        coco_json (str | PathLike): File whose categories have ``embedding[key]``, as
            those of Mask-free OVIS (``ClipEmb``) and CMPL (``BertEmb``).
        out (str | PathLike): The ``.npz`` file to write.
        key (str): Which of the vectors of a category.
        model_id (str): Text encoder that made them; the file does not say.
        templates (str | PathLike, optional): Its templates.
        normalization (str): Of the vectors.

    Returns:
        BankReport: What was written.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a category lacks the vector.
    """
    digest = templates_hash(load_templates(templates)) if templates else UNKNOWN
    bank = read_coco_embeddings(
        _read_categories(coco_json), coco_json, key, model_id, digest, normalization
    )
    bank.save(out)
    return BankReport(bank, 0)


def write_coco_embeddings(
    coco_json: str | os.PathLike,
    bank: TextEmbeddingBank,
    out: str | os.PathLike,
    key: str = CLIP_KEY,
) -> None:
    """Write a COCO file with the vectors in its categories, as the originals read it.

    Args:
        coco_json (str | PathLike): The file without them.
        bank (TextEmbeddingBank): Holds all its categories.
        out (str | PathLike): File to write.
        key (str): Under which they go.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the bank lacks a category.
    """
    dataset = _read_categories(coco_json)
    atomic_write_json(out, add_coco_embeddings(dataset, bank, key))


def coco_vocabulary(coco_json: str | os.PathLike) -> Vocabulary:
    """Return the names of the categories of a COCO file, with their synonyms.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no COCO file, or a name is given twice.
    """
    categories = _read_categories(coco_json)['categories']
    return Vocabulary.from_rows(categories_as_rows(categories, coco_json))


def _read_categories(path: str | os.PathLike) -> dict[str, Any]:
    dataset = read_json(path)
    categories = dataset.get('categories') if isinstance(dataset, dict) else None
    if not isinstance(categories, list) or not categories:
        raise ValueError(f'{path} is not a COCO annotation file: no list categories')
    return dataset
