"""Which words of a caption name a thing, as "tie" does in "a tie", not in "to tie"."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from ..utils.settings import check_choice
from .captions import Word, run_ends
from .compounds import COMPOUNDS, MISNOMERS
from .plurals import singularize
from .spacy_pipelines import DEFAULT_PIPELINE, load_pipeline
from .word_lists import (
    ADJECTIVE_HOMOGRAPHS,
    ADJECTIVES,
    ADVERBS,
    AUXILIARIES,
    COLORS,
    CONTAINERS,
    DETERMINERS,
    FORMS_OF_VERBS,
    FUNCTION_WORDS,
    MODALS,
    NEXT_TO,
    NOUNS_LIKE_VERBS,
    OBJECT_PRONOUNS,
    PARTS,
    PEOPLE,
    PREPOSITIONS,
    VERB_FORMS,
)

_OBJECT_START = DETERMINERS | OBJECT_PRONOUNS
_NOMINAL = (DETERMINERS | PREPOSITIONS) - {'that', 'which', 'what', 'whose', 'as'}
_INTRODUCING = DETERMINERS | PREPOSITIONS | {'and', 'or'}
_NOUN_TAGS = ('NOUN', 'PROPN')


class WordTagger(ABC):
    """Tells the words that name a thing from those that do not."""

    @abstractmethod
    def nouns(self, caption: str, words: Sequence[Word]) -> list[bool]:
        """Say of each word whether it may name a thing by itself.

        Args:
            caption (str): The caption.
            words (Sequence[Word]): Its n words.

        Returns:
            list[bool]: n values.
        """

    @abstractmethod
    def noun_runs(self, caption: str, words: Sequence[Word]) -> list[tuple[int, int]]:
        """Find the runs of words that end with a noun, its modifiers before it.

        Args:
            caption (str): The caption.
            words (Sequence[Word]): Its words.

        Returns:
            list[tuple[int, int]]: Indices of the first word, and behind the last.
        """


class SimpleTagger(WordTagger):
    """Judges by the neighbours of a word, without any model.

    Only words that are known to mislead are looked at (see
    `mmdet_ovis.language.word_lists`): names of things that are verbs or adjectives as
    well, and words of compounds that show something else. All others count as nouns.

    Examples:
        >>> from mmdet_ovis.language.captions import split_words
        >>> caption = 'a man can tie a tie at the bus stop'
        >>> nouns = SimpleTagger().nouns(caption, split_words(caption))
        >>> [w.text for w, noun in zip(split_words(caption), nouns) if not noun]
        ['can', 'tie', 'bus']
    """

    def nouns(self, caption: str, words: Sequence[Word]) -> list[bool]:
        """Say of each word whether it may name a thing; see the base class."""
        return [
            not (_misleads(texts, i) or _is_verb(texts, i) or _is_adjective(texts, i))
            for _, texts in _clauses(caption, words)
            for i in range(len(texts))
        ]

    def noun_runs(self, caption: str, words: Sequence[Word]) -> list[tuple[int, int]]:
        """Find words after an article or a preposition; see the base class."""
        return [
            (offset + first, offset + last)
            for offset, texts in _clauses(caption, words)
            for first, last in _content_runs(texts)
            if _is_introduced(texts, first)
        ]


class SpacyTagger(WordTagger):
    """Asks a spaCy pipeline for the part of speech.

    Args:
        model (str): Name of an installed pipeline, or a folder that holds one.

    Raises:
        MissingPackageError: If spaCy is not installed.
        OSError: If the pipeline is not.
    """

    def __init__(self, model: str = DEFAULT_PIPELINE) -> None:
        self._pipeline = load_pipeline(model)

    def nouns(self, caption: str, words: Sequence[Word]) -> list[bool]:
        """Say of each word whether it is a noun; see the base class."""
        tags = self._tags(self._pipeline(caption), len(caption))
        return [
            any(
                tag in _NOUN_TAGS for tag in tags[words[k + i].start : words[k + i].end]
            )
            and not _misleads(texts, i)
            for k, texts in _clauses(caption, words)
            for i in range(len(texts))
        ]

    def noun_runs(self, caption: str, words: Sequence[Word]) -> list[tuple[int, int]]:
        """Find runs of nouns; see the base class."""
        tags = self._tags(self._pipeline(caption), len(caption))
        ends = run_ends(caption, words)
        runs: list[tuple[int, int]] = []
        for i, word in enumerate(words):
            if tags[word.start] not in _NOUN_TAGS:
                continue
            if runs and runs[-1][1] == i and ends[i - 1] > i:
                runs[-1] = (runs[-1][0], i + 1)
            else:
                runs.append((i, i + 1))
        return runs

    @staticmethod
    def _tags(document: Any, length: int) -> list[str]:
        """Part of speech by character."""
        tags = [''] * length
        for token in document:
            end = token.idx + len(token)
            tags[token.idx : end] = [token.pos_] * (end - token.idx)
        return tags


TAGGERS = {'simple': SimpleTagger, 'spacy': SpacyTagger}


def make_tagger(backend: str) -> WordTagger:
    """Build a tagger by name.

    Args:
        backend (str): ``'simple'`` or ``'spacy'``.

    Raises:
        ValueError: If there is no such backend, or what it needs is not installed.
    """
    check_choice("the parser's backend", backend, TAGGERS)
    return TAGGERS[backend]()


def _clauses(caption: str, words: Sequence[Word]) -> Iterator[tuple[int, list[str]]]:
    """Yield the words between two punctuation marks, and the index of the first."""
    ends = run_ends(caption, words)
    first = 0
    while first < len(words):
        yield first, [word.text for word in words[first : ends[first]]]
        first = ends[first]


# Below, ``words`` are those of one clause, and ``i`` the index of one of them.


def _misleads(words: Sequence[str], i: int) -> bool:
    """Tell whether a word belongs to a compound that shows something else."""
    before, behind = _neighbours(words, i)
    return (before, words[i]) in MISNOMERS or (words[i], behind) in COMPOUNDS


def _neighbours(words: Sequence[str], i: int) -> tuple[str, str]:
    return words[i - 1] if i else '', words[i + 1] if i + 1 < len(words) else ''


def _is_verb(words: Sequence[str], i: int) -> bool:
    """Tell the verb from the noun by what stands before it, then by what follows."""
    verb = FORMS_OF_VERBS.get(words[i])
    if verb is None:
        return False
    before, behind = _neighbours(words, i)
    if before == 'to':
        return words[max(i - 2, 0)] not in NEXT_TO
    if before in _NOMINAL:
        return False
    if before in MODALS or before in PEOPLE:
        return True
    if words[i] == 'can':
        ends = not behind or behind in FUNCTION_WORDS - {'be', 'have'}
        return not ends and before not in CONTAINERS
    return bool(before) and behind in _OBJECT_START


def _is_adjective(words: Sequence[str], i: int) -> bool:
    """Tell the colour or the material from the thing."""
    if words[i] not in ADJECTIVE_HOMOGRAPHS:
        return False
    before, behind = _neighbours(words, i)
    if behind in ('and', 'or') and words[i + 2 : i + 3]:
        return words[i + 2] in COLORS
    if before in ('and', 'or') and i > 1 and words[i - 2] in COLORS:
        return True
    if before in AUXILIARIES or before in COLORS:
        return True
    return bool(behind) and behind not in FUNCTION_WORDS | ADVERBS | PARTS


def _describes(words: Sequence[str], i: int) -> bool:
    return words[i] in ADJECTIVES or _is_adjective(words, i)


def _is_content(words: Sequence[str], i: int) -> bool:
    """Tell the words that can end or modify the name of a thing, by list and ending."""
    word = words[i]
    if word in FUNCTION_WORDS or not word.isalpha() or _describes(words, i):
        return False
    if word in VERB_FORMS:
        return i > 0 and words[i - 1] in DETERMINERS | ADJECTIVES
    if word.endswith(('ing', 'ings', 'ed', 'ly')):
        return word in NOUNS_LIKE_VERBS or singularize(word) in NOUNS_LIKE_VERBS
    return len(word) > 1


def _content_runs(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the longest runs of such words."""
    first = None
    for i in range(len(words) + 1):
        inside = i < len(words) and _is_content(words, i)
        if inside and first is None:
            first = i
        elif not inside and first is not None:
            yield first, i
            first = None


def _is_introduced(words: Sequence[str], first: int) -> bool:
    """Tell whether what stands before the adjectives announces a noun."""
    i = first - 1
    while i >= 0 and _describes(words, i):
        i -= 1
    return i >= 0 and words[i] in _INTRODUCING
