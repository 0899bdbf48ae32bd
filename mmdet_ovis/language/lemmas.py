"""The base forms of the words of a text: 'two dogs lying' are 'two dog lie'."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Final

from ..utils.settings import check_choice
from .plurals import singularize
from .spacy_pipelines import DEFAULT_PIPELINE, load_pipeline
from .word_lists import CAPTION_VERBS, NOUNS_LIKE_VERBS, VERB_HOMOGRAPHS

_TOKEN = re.compile(r"'s\b|\w+|[^\w\s]")
_DOUBLED = re.compile(r'[^aeiou]*[aeiou][^aeiouwxy]')
"""One syllable with a short vowel: its last letter is doubled, as in 'sitting'."""
_IRREGULAR: Final = {
    **dict.fromkeys(['am', 'are', 'been', 'being', 'is', 'was', 'were'], 'be'),
    **dict.fromkeys(['had', 'has', 'having'], 'have'),
    **dict.fromkeys(['did', 'does', 'doing', 'done'], 'do'),
}


class Lemmatizer(ABC):
    """Turns the words of a text into their base forms."""

    @abstractmethod
    def __call__(self, text: str) -> list[str]:
        """Split a text into tokens and return the base form of each.

        Args:
            text (str): In lower case.

        Returns:
            list[str]: One a token; punctuation marks are tokens of their own.
        """


class SimpleLemmatizer(Lemmatizer):
    """Judges by spelling, without any model.

    Plurals lose their ending whatever they mean in the sentence, and so do ``-ing`` and
    ``-ed`` forms of the verbs of captions; other pasts stay as they are.

    Examples:
        >>> SimpleLemmatizer()('two dogs are lying on the couch.')
        ['two', 'dog', 'be', 'lie', 'on', 'the', 'couch', '.']
    """

    def __call__(self, text: str) -> list[str]:
        """Split a text and return base forms; see the base class."""
        return [_lemma(token) for token in _TOKEN.findall(text)]


class SpacyLemmatizer(Lemmatizer):
    """Asks a spaCy pipeline.

    Args:
        model (str): Name of an installed pipeline, or a folder that holds one.

    Raises:
        MissingPackageError: If spaCy is not installed.
        OSError: If the pipeline is not.
    """

    def __init__(self, model: str = DEFAULT_PIPELINE) -> None:
        self._pipeline = load_pipeline(model)

    def __call__(self, text: str) -> list[str]:
        """Split a text and return base forms; see the base class."""
        return [token.lemma_ for token in self._pipeline(text)]


LEMMATIZERS: Final = {'simple': SimpleLemmatizer, 'spacy': SpacyLemmatizer}


def make_lemmatizer(backend: str) -> Lemmatizer:
    """Build a lemmatizer by name.

    Args:
        backend (str): ``'simple'`` or ``'spacy'``.

    Raises:
        ValueError: If there is no such backend, or what it needs is not installed.
    """
    check_choice("the lemmatizer's backend", backend, LEMMATIZERS)
    return LEMMATIZERS[backend]()


def _lemma(token: str) -> str:
    return _VERB_OF.get(token) or singularize(token)


def _participles(verb: str) -> tuple[str, str]:
    """Spell the forms in -ing and -ed."""
    if verb.endswith('ie'):
        return f'{verb[:-2]}ying', f'{verb}d'
    if verb.endswith('e'):
        return f'{verb if verb.endswith("ee") else verb[:-1]}ing', f'{verb}d'
    if verb.endswith('y') and verb[-2] not in 'aeiou':
        return f'{verb}ing', f'{verb[:-1]}ied'
    stem = verb + verb[-1] if _DOUBLED.fullmatch(verb) else verb
    return f'{stem}ing', f'{stem}ed'


_VERB_OF: Final = {
    form: verb
    for verb in sorted(CAPTION_VERBS | VERB_HOMOGRAPHS)
    for form in _participles(verb)
    if form not in NOUNS_LIKE_VERBS
} | _IRREGULAR
