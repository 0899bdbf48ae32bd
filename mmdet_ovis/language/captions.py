"""Captions: cleaning them as ALBEF does, and their words with offsets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MAX_WORDS = 30
"""Words that ALBEF reads of a caption."""

_DELETED = re.compile(r'[,.\'!?"()*#:;~]')
_JOINING = re.compile(r"[\s\-_/']*")
_WORD = re.compile(r'[^\W_]+')


class Word(NamedTuple):
    """A word of a caption.

    Attributes:
        text (str): In lower case.
        start (int): Offset of its first character in the caption.
        end (int): Offset behind its last character.
    """

    text: str
    start: int
    end: int


def clean_caption(caption: str, max_words: int = MAX_WORDS) -> str:
    """Bring a caption into the form that the model was trained with.

    In this order: lower case; punctuation is deleted, hyphens and slashes become
    spaces; ``<person>`` becomes ``person``; runs of white space become one space; line
    breaks and spaces at the ends go; words beyond the limit go.

    Args:
        caption (str): Any text.
        max_words (int): Words to keep, at least 1.

    Returns:
        str: The cleaned caption, the text that offsets of phrases refer to.

    Raises:
        ValueError: If ``max_words`` is less than 1.

    Examples:
        >>> clean_caption('A dog laying on a grass-covered ground...')
        'a dog laying on a grass covered ground'
    """
    if max_words < 1:
        raise ValueError(f'max_words is at least 1, not {max_words}')
    text = _DELETED.sub('', caption.lower())
    text = text.replace('-', ' ').replace('/', ' ').replace('<person>', 'person')
    text = re.sub(r'\s{2,}', ' ', text).rstrip('\n').strip(' ')
    return ' '.join(text.split(' ')[:max_words])


def split_words(text: str) -> list[Word]:
    """Split a text into runs of letters and digits.

    Examples:
        >>> split_words('A T-shirt')
        [Word(text='a', start=0, end=1), Word(text='t', start=2, end=3), \
Word(text='shirt', start=4, end=9)]
    """
    return [
        Word(match[0].lower(), match.start(), match.end())
        for match in _WORD.finditer(text)
    ]


def run_ends(caption: str, words: Sequence[Word]) -> list[int]:
    """For each word, the end of the run of words that no punctuation divides."""
    ends = [len(words)] * len(words)
    for i in range(len(words) - 2, -1, -1):
        between = caption[words[i].end : words[i + 1].start]
        ends[i] = ends[i + 1] if _JOINING.fullmatch(between) else i + 1
    return ends
