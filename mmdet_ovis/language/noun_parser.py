"""Finds the words of a vocabulary in captions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..structures.phrase import Phrase
from ..structures.vocabulary import Vocabulary
from ..utils.settings import check_choice
from .aliases import ALIASES
from .captions import Word, run_ends, split_words
from .plurals import number_variants
from .surface import surface_forms
from .taggers import make_tagger

MATCHES = ('longest', 'first')


class _Match(NamedTuple):
    """Words ``first`` to ``last`` (exclusive) of a caption name a class."""

    first: int
    last: int
    label: int


class NounParser:
    """Finds the words of a vocabulary in captions, with character offsets.

    ``match='longest'`` is the default. All occurrences are found; where two overlap,
    the one of more words wins ("hot dog" over "dog"). Plurals, aliases ("plane" for
    ``airplane``) and the synonyms of the vocabulary are found under the name of their
    class. A form that could mean several classes means the first of those that have
    it as name; if none has, the first that has it as synonym, as plural, as alias.
    Words in the role of a verb or an adjective are left out as far as the backend can
    tell.

    ``match='first'`` does what Mask-free OVIS does: of each form as it stands in the
    vocabulary, the first occurrence, nested ones included; ``plurals``, ``aliases``
    and ``backend`` do not apply. (The original looks for word pieces, so that it finds
    "cat" in "catlike" as well; here words are whole.)

    Complexity: O(n m) look-ups for n words and forms of up to m words.

    Args:
        vocabulary (Vocabulary): Names and synonyms, as data sets write them (see
            :func:`~mmdet_ovis.language.surface.surface_forms`).
        match (str): ``'longest'`` or ``'first'``.
        plurals (bool): Find the other number of each form as well.
        aliases (Mapping[str, Sequence[str]], optional): Further forms by surface form;
            None for none.
        backend (str): ``'simple'`` judges by neighbouring words, ``'spacy'`` by the
            part of speech (needs spaCy).

    Raises:
        ValueError: If ``match`` or ``backend`` is unknown, spaCy is missing, or a name
            has no letters.

    Examples:
        >>> parser = NounParser(Vocabulary(('dog', 'hot dog', 'couch')))
        >>> [p.name for p in parser('Two dogs on the sofa eat a hot dog.')]
        ['dog', 'couch', 'hot dog']
        >>> parser('a hot dog')
        [Phrase(name='hot dog', text='hot dog', start=2, end=9)]
        >>> compat = NounParser(parser.vocabulary, match='first')
        >>> [p.name for p in compat('two dogs eat a hot dog')]
        ['hot dog', 'dog']
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        match: str = 'longest',
        plurals: bool = True,
        aliases: Mapping[str, Sequence[str]] | None = ALIASES,
        backend: str = 'simple',
    ) -> None:
        check_choice('match', match, MATCHES)
        self.vocabulary = vocabulary
        self.match = match
        self._labels: dict[tuple[str, ...], int] = {}
        if match == 'first':
            self._forms = list(_own_forms(vocabulary))
        else:
            self._tagger = make_tagger(backend)
            self._labels = meanings(vocabulary, plurals, aliases or {})
        self._longest = max((len(form) for form in self._labels), default=0)

    def __call__(self, caption: str) -> list[Phrase]:
        """Find the words of the vocabulary in a caption.

        Args:
            caption (str): Any text; offsets refer to it as it is, so a caption that a
                model reads cleaned is cleaned before.

        Returns:
            list[Phrase]: In the order of the caption.
        """
        words = split_words(caption)
        if self.match == 'first':
            found = self._first_occurrences(caption, words)
        else:
            found = self._longest_matches(caption, words)
        return [self._phrase(caption, words, match) for match in sorted(found)]

    def _phrase(self, caption: str, words: Sequence[Word], match: _Match) -> Phrase:
        start, end = words[match.first].start, words[match.last - 1].end
        name = self.vocabulary.names[match.label]
        return Phrase(name, caption[start:end], start, end)

    def _longest_matches(self, caption: str, words: Sequence[Word]) -> list[_Match]:
        matches = list(self._all_matches(caption, words))
        if any(match.last - match.first == 1 for match in matches):
            nouns = self._tagger.nouns(caption, words)
            matches = [m for m in matches if m.last - m.first > 1 or nouns[m.first]]
        taken = [False] * len(words)
        kept = []
        for match in sorted(matches, key=lambda m: (m.first - m.last, m.first)):
            if not any(taken[match.first : match.last]):
                taken[match.first : match.last] = [True] * (match.last - match.first)
                kept.append(match)
        return kept

    def _all_matches(self, caption: str, words: Sequence[Word]) -> Iterator[_Match]:
        texts = tuple(word.text for word in words)
        for first, end in enumerate(run_ends(caption, words)):
            for last in range(first + 1, min(first + self._longest, end) + 1):
                label = self._labels.get(texts[first:last])
                if label is not None:
                    yield _Match(first, last, label)

    def _first_occurrences(self, caption: str, words: Sequence[Word]) -> set[_Match]:
        texts = tuple(word.text for word in words)
        ends = run_ends(caption, words)
        found = set()
        for form, label in self._forms:
            for first, end in enumerate(ends):
                last = first + len(form)
                if last <= end and texts[first:last] == form:
                    found.add(_Match(first, last, label))
                    break
        return found


def meanings(
    vocabulary: Vocabulary,
    plurals: bool = True,
    aliases: Mapping[str, Sequence[str]] = ALIASES,
) -> dict[tuple[str, ...], int]:
    """List what a caption may say for the classes of a vocabulary.

    Args:
        vocabulary (Vocabulary): Names and synonyms.
        plurals (bool): See :class:`NounParser`.
        aliases (Mapping[str, Sequence[str]]): See there.

    Returns:
        dict[tuple[str, ...], int]: By the words of a form the label of the class that
        it means, the first of several as there.

    Raises:
        ValueError: If a form has no letters.

    Examples:
        >>> meanings(Vocabulary(('hot_dog',)), plurals=False)
        {('hot', 'dog'): 0, ('hotdog',): 0}
    """
    return _first_meanings(_levels(vocabulary, plurals, aliases))


def form_words(form: str) -> tuple[str, ...]:
    """Return the words of a form, as captions are split.

    Raises:
        ValueError: If it has no letters.
    """
    words = tuple(word.text for word in split_words(form))
    if not words:
        raise ValueError(f'no caption can say {form!r}: it has no letters')
    return words


def _own_forms(vocabulary: Vocabulary) -> Iterator[tuple[tuple[str, ...], int]]:
    for label in range(len(vocabulary)):
        for form in vocabulary.forms(label):
            for surface in surface_forms(form):
                yield form_words(surface), label


def _levels(
    vocabulary: Vocabulary, plurals: bool, aliases: Mapping[str, Sequence[str]]
) -> Iterator[list[tuple[str, int]]]:
    """Yield forms with their labels, those that win over all later ones first."""
    own = [
        [surface_forms(form) for form in vocabulary.forms(label)]
        for label in range(len(vocabulary))
    ]
    names = [(form, i) for i, forms in enumerate(own) for form in forms[0]]
    synonyms = [(f, i) for i, forms in enumerate(own) for row in forms[1:] for f in row]
    others = [(o, i) for form, i in names + synonyms for o in aliases.get(form, ())]
    yield names
    yield synonyms
    if plurals:
        yield _variants(names)
        yield _variants(synonyms)
    yield others
    if plurals:
        yield _variants(others)


def _variants(forms: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    return [(variant, i) for form, i in forms for variant in number_variants(form)]


def _first_meanings(
    levels: Iterable[Sequence[tuple[str, int]]],
) -> dict[tuple[str, ...], int]:
    labels: dict[tuple[str, ...], int] = {}
    for level in levels:
        for form, label in level:
            # Cleaning deletes apostrophes: catcher's mitt, catchers mitt.
            for spelling in (form, form.replace("'", '')):
                labels.setdefault(form_words(spelling), label)
    return labels
