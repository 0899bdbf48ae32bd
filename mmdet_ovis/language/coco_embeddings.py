"""Text vectors inside a COCO file, where the originals of OVIS and CMPL have them.

They stand in ``categories[i]['embedding'][key]`` as a list of numbers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .embedding_bank import UNKNOWN, TextEmbeddingBank

CLIP_KEY = 'ClipEmb'
"""The key of Mask-free OVIS."""

BERT_KEY = 'BertEmb'
"""The key of CMPL, and of OVR-CNN before it."""


def read_coco_embeddings(
    dataset: Mapping[str, Any],
    source: str | os.PathLike,
    key: str = CLIP_KEY,
    model_id: str = UNKNOWN,
    templates_hash: str = UNKNOWN,
    normalization: str = 'none',
) -> TextEmbeddingBank:
    """Take the text vectors out of a COCO file.

    Args:
        dataset (Mapping): Content of the file.
        source (str | PathLike): Its path, for messages.
        key (str): Which of the vectors of a category.
        model_id (str): Text encoder that made them; the file does not say.
        templates_hash (str): Of its prompts.
        normalization (str): Of its vectors; those of the originals are raw.

    Returns:
        TextEmbeddingBank: In the order of the categories.

    Raises:
        ValueError: If a category has no such vector, or they do not fit together.

    Examples:
        >>> category = {'id': 1, 'name': 'cat', 'embedding': {'ClipEmb': [3.0, 4.0]}}
        >>> read_coco_embeddings({'categories': [category]}, 'a.json').embeddings
        array([[3., 4.]], dtype=float32)
    """
    categories = dataset.get('categories') or ()
    if not categories:
        raise ValueError(f'{source} has no categories')
    vectors = []
    for i, category in enumerate(categories):
        vector = (category.get('embedding') or {}).get(key)
        if not isinstance(vector, list) or not vector:
            raise ValueError(f'{source}: categories[{i}] has no embedding.{key}')
        if len(vector) != len(vectors[0] if vectors else vector):
            raise ValueError(
                f'{source}: categories[{i}].embedding.{key} has {len(vector)} numbers, '
                f'those before {len(vectors[0])}'
            )
        vectors.append(vector)
    try:
        return TextEmbeddingBank(
            tuple(category['name'] for category in categories),
            np.array(vectors, dtype=np.float32),
            model_id=model_id,
            templates_hash=templates_hash,
            normalization=normalization,
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f'{source}: {error}') from None


def add_coco_embeddings(
    dataset: Mapping[str, Any], bank: TextEmbeddingBank, key: str = CLIP_KEY
) -> dict[str, Any]:
    """Put text vectors into the categories of a COCO file.

    Args:
        dataset (Mapping): Content of the file; left as it is.
        bank (TextEmbeddingBank): Holds all its categories.
        key (str): Under which they go; others of a category are kept.

    Returns:
        dict: The content with the vectors.

    Raises:
        ValueError: If the bank lacks a category.
    """
    vectors = bank.select(category['name'] for category in dataset['categories'])
    categories = [
        {**category, 'embedding': {**category.get('embedding', {}), key: row.tolist()}}
        for category, row in zip(dataset['categories'], vectors, strict=True)
    ]
    return {**dataset, 'categories': categories}
