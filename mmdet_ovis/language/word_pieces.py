"""Word pieces for a small text encoder, from the captions it is trained on."""

from __future__ import annotations

import os
import string
from collections import Counter
from collections.abc import Iterable

from ..utils.io import atomic_write_text
from .captions import clean_caption

SPECIAL_PIECES = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')
_LETTERS = string.ascii_lowercase + string.digits


def make_word_pieces(texts: Iterable[str], max_words: int = 5000) -> list[str]:
    """List word pieces: special ones, letters, and the words of texts.

    Args:
        texts (Iterable[str]): Captions, and names that should be one piece.
        max_words (int): Words to take, the most frequent ones.

    Returns:
        list[str]: In this order, the words sorted; any English word can be written
        with them.

    Raises:
        ValueError: If the texts hold no word.

    Examples:
        >>> make_word_pieces(['A disc left of a disc.'])[-3:]
        ['disc', 'left', 'of']
    """
    counts = Counter(
        word for text in texts for word in clean_caption(text, max_words=10**6).split()
    )
    if not counts:
        raise ValueError('there is no word in these texts')
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:max_words]
    letters = [*_LETTERS, *(f'##{letter}' for letter in _LETTERS)]
    words = sorted(set(frequent) - set(letters))
    return [*SPECIAL_PIECES, *letters, *words]


def write_word_pieces(path: str | os.PathLike, texts: Iterable[str]) -> int:
    """Write word pieces, one a line, as BERT's ``vocab.txt``; return their number.

    Raises:
        ValueError: If the texts hold no word.
    """
    pieces = make_word_pieces(texts)
    atomic_write_text(path, '\n'.join(pieces) + '\n')
    return len(pieces)
