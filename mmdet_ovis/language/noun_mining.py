"""A vocabulary from captions alone: the nouns that they use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ..structures.vocabulary import Vocabulary
from .captions import split_words
from .noun_parser import NounParser
from .plurals import singularize
from .taggers import make_tagger
from .word_lists import NOT_THINGS

COMPOUND_SHARE = 0.3
"""Share of the uses of a noun from which on a compound of it is a name of its own."""

_MAX_WORDS = 3


def mine_nouns(
    captions: Iterable[str],
    min_count: int = 2,
    max_names: int | None = None,
    backend: str = 'simple',
) -> Vocabulary:
    """Collect the nouns of captions, most frequent first.

    Singular and plural are one name, the singular. A compound ("fire hydrant") is a
    name where it makes up a good part of the uses of its last word; those uses then do
    not count for the last word. Nouns that speak of the picture itself ("photo",
    "side") are left out.

    Args:
        captions (Iterable[str]): Any texts.
        min_count (int): Captions that a noun has to stand in.
        max_names (int, optional): Keep so many; None keeps all.
        backend (str): ``'simple'`` judges by position and spelling and lets some
            verbs and adjectives through, ``'spacy'`` by the part of speech.

    Returns:
        Vocabulary: By number of captions, then by name.

    Raises:
        ValueError: If nothing is found, ``backend`` is unknown or spaCy is missing, or
            a number is less than 1.

    Examples:
        >>> captions = ['A dog near a fire hydrant.', 'Two dogs', 'the fire hydrant']
        >>> mine_nouns(captions).names
        ('dog', 'fire hydrant')
    """
    if min_count < 1 or (max_names is not None and max_names < 1):
        raise ValueError('min_count and max_names are at least 1')
    tagger = make_tagger(backend)
    runs = []
    for caption in captions:
        words = split_words(caption)
        texts = [word.text for word in words]
        ranges = tagger.noun_runs(caption, words)
        runs.append([texts[first:last] for first, last in ranges])
    compounds = _frequent_compounds(runs, min_count)
    counts = Counter(
        name
        for of_caption in runs
        for name in {_name(run, compounds) for run in of_caption}
        if name not in NOT_THINGS
    )
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    names = [name for name, count in ranked if count >= min_count][:max_names]
    if not names:
        raise ValueError(
            f'the captions hold no noun that is in {min_count} of them or more'
        )
    return Vocabulary(tuple(names))


def caption_nouns(caption: str, backend: str = 'simple') -> Vocabulary:
    """Collect the nouns of one caption, in its order.

    Args:
        caption (str): Any text.
        backend (str): See :func:`mine_nouns`.

    Returns:
        Vocabulary: By first occurrence.

    Raises:
        ValueError: If it holds none.

    Examples:
        >>> caption_nouns('Two dogs sit beside a fire hydrant on the grass.').names
        ('dog', 'fire hydrant', 'grass')
    """
    try:
        found = mine_nouns([caption], min_count=1, backend=backend)
    except ValueError:
        raise ValueError(f'no noun was found in the caption {caption!r}') from None
    parser = NounParser(found, aliases=None)
    order = dict.fromkeys(phrase.name for phrase in parser(caption))
    # A noun whose only use the parser takes for a verb comes last.
    return Vocabulary(tuple(dict.fromkeys((*order, *found.names))))


def _endings(run: Sequence[str]) -> Iterator[str]:
    """Yield the names that a run of words may end with, longest first."""
    for length in range(min(len(run), _MAX_WORDS), 0, -1):
        yield singularize(' '.join(run[-length:]))


def _frequent_compounds(
    runs: Sequence[Sequence[Sequence[str]]], min_count: int
) -> set[str]:
    counts = Counter(
        n for runs_of_one in runs for r in runs_of_one for n in _endings(r)
    )
    return {
        name
        for name, count in counts.items()
        if ' ' in name
        and count >= min_count
        and count >= COMPOUND_SHARE * counts[name.rpartition(' ')[2]]
    }


def _name(run: Sequence[str], compounds: set[str]) -> str:
    return next(name for name in _endings(run) if ' ' not in name or name in compounds)
