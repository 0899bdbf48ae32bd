"""What belongs to a noun in front of it: 'two large dogs'."""

from __future__ import annotations

from ..structures.phrase import Phrase
from .captions import run_ends, split_words
from .word_lists import DETERMINERS, FUNCTION_WORDS


def noun_chunk(caption: str, phrase: Phrase) -> Phrase:
    """Extend a phrase by the words before it, up to its article or number.

    It ends where a sign stands between words, and before prepositions, conjunctions and
    the like; without an article or number before those, the words stay out, for nothing
    says that they are adjectives.

    Args:
        caption (str): The caption.
        phrase (Phrase): Found in it.

    Returns:
        Phrase: Of the same name.

    Examples:
        >>> caption = 'a man near two large dogs'
        >>> noun_chunk(caption, Phrase('dog', 'dogs', 21, 25)).text
        'two large dogs'
        >>> noun_chunk('we see dogs', Phrase('dog', 'dogs', 7, 11)).text
        'dogs'
    """
    words = split_words(caption)
    ends = run_ends(caption, words)
    (last,) = (i for i, word in enumerate(words) if word.end == phrase.end)
    first = next(i for i, word in enumerate(words) if word.start == phrase.start)
    for i in range(first - 1, -1, -1):
        if ends[i] <= last:
            break
        if words[i].text in DETERMINERS:
            first = i
            break
        if words[i].text in FUNCTION_WORDS:
            break
    start = words[first].start
    return Phrase(phrase.name, caption[start : phrase.end], start, phrase.end)
