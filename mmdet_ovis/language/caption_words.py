"""Words of captions that stand for the classes of a vocabulary, as CMPL needs them.

D. Huynh et al., Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling, CVPR 2022.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Final

from ..structures.vocabulary import Vocabulary
from ..utils.settings import check_choice
from .aliases import SYNONYMS
from .lemmas import make_lemmatizer
from .noun_parser import NounParser, form_words
from .plurals import number_variants, singularize
from .shared_names import shared_names
from .surface import surface_forms

MODES: Final = ('fixed', 'parity')

_SIGNS = re.compile(r'[_/()]')


class CaptionWordParser(ABC):
    """Finds the words of captions that stand for classes.

    Attributes:
        names (tuple[str, ...]): C names, one a class, as a text encoder is given them.
    """

    names: tuple[str, ...]

    def __call__(self, captions: Iterable[str]) -> dict[str, int]:
        """Find the words of all captions of an image.

        Args:
            captions (Iterable[str]): Any texts.

        Returns:
            dict[str, int]: Each word once, with the label of its class, in the order
            of the captions. Several words may stand for one class.
        """
        found: dict[str, int] = {}
        for caption in captions:
            for word, label in self.find(caption):
                found.setdefault(word, label)
        return found

    @abstractmethod
    def find(self, caption: str) -> list[tuple[str, int]]:
        """Find the words of one caption, with labels, in its order."""


class NounWords(CaptionWordParser):
    """Words as :class:`.noun_parser.NounParser` finds them: whole names, no verbs.

    Longer names win ("teddy bear" is no "bear"), words in the role of a verb or an
    adjective are left out ("can" before a verb), aliases are known ("plane" for
    ``airplane``), and a word with several meanings has the first. Words for the same
    thing are given as the vocabulary has it ("airplane"), kinds of it as they are
    ("puppy"), in the singular.

    Args:
        vocabulary (Vocabulary): Names with synonyms.
        classes (Sequence[str]): Classes of a data set whose names are used where they
            are the same thing, see :func:`.shared_names.shared_names`.
        backend (str): See :class:`.noun_parser.NounParser`.

    Raises:
        ValueError: If ``backend`` is unknown or spaCy is missing.

    Examples:
        >>> words = NounWords(Vocabulary(('sofa', 'can', 'airplane')), ['couch'])
        >>> words.names
        ('couch', 'can', 'airplane')
        >>> words(['Two planes can fly.', 'A jet. A couch.'])
        {'airplane': 2, 'jet': 2, 'couch': 0}
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        classes: Sequence[str] = (),
        backend: str = 'simple',
    ) -> None:
        self.names = tuple(shared_names(vocabulary, classes))
        self._vocabulary = vocabulary
        self._parser = NounParser(vocabulary, backend=backend)
        forms = [form for i in range(len(vocabulary)) for form in vocabulary.forms(i)]
        self._own = {
            ' '.join(form_words(surface))
            for form in (*forms, *self.names)
            for surface in surface_forms(form)
        }

    def find(self, caption: str) -> list[tuple[str, int]]:
        """Find the words of one caption; see the base class."""
        return [
            (self._word(phrase.text), self._vocabulary.index(phrase.name))
            for phrase in self._parser(caption)
        ]

    def _word(self, text: str) -> str:
        """Bring a word into one form: 'dogs' into 'dog', 'planes' into 'airplane'."""
        text = ' '.join(form_words(text))
        singular = singularize(text)
        same = (*number_variants(text), *SYNONYMS.get(singular, ()))
        return next((form for form in (text, *same) if form in self._own), singular)


class LemmaWords(CaptionWordParser):
    """Words as CMPL finds them: any base form of a name, whatever it means.

    Names and synonyms are lower case, without underscores and what follows an opening
    parenthesis, each word in its base form; of equal ones the last class counts. A
    caption is treated in the same way, and what stands in it as a whole is found,
    nested names and verbs as well.

    Names of classes are the canonical ones with spaces for the signs in them.

    Args:
        vocabulary (Vocabulary): Names with synonyms.
        backend (str): ``'spacy'``, as the original, or ``'simple'``, which needs no
            package and comes close, see :mod:`mmdet_ovis.language.lemmas`.

    Raises:
        ValueError: If ``backend`` is unknown or spaCy is missing.

    Examples:
        >>> words = LemmaWords(Vocabulary(('teddy_bear', 'bear', 'bus_(vehicle)')))
        >>> words.names
        ('teddy bear', 'bear', 'bus vehicle')
        >>> words(['Two teddy bears in buses'])
        {'teddy bear': 0, 'bear': 1, 'bus': 2}
    """

    def __init__(self, vocabulary: Vocabulary, backend: str = 'simple') -> None:
        self._lemmatize = make_lemmatizer(backend)
        self.names = Vocabulary(
            tuple(' '.join(_SIGNS.sub(' ', n).split()) for n in vocabulary.names)
        ).names
        self._labels: dict[tuple[str, ...], int] = {}
        for label in range(len(vocabulary)):
            for form in vocabulary.forms(label):
                key = self._tokens(form.replace('_', ' '))
                cut = [i for i, token in enumerate(key) if token.startswith('(')]
                if cut:
                    key = key[: cut[0]]
                if key:
                    self._labels[key] = label
        self._longest = max(map(len, self._labels))

    def _tokens(self, text: str) -> tuple[str, ...]:
        # Base forms may hold spaces, and white space is a token of spaCy.
        return tuple(' '.join(self._lemmatize(text.lower())).split())

    def find(self, caption: str) -> list[tuple[str, int]]:
        """Find the words of one caption; see the base class."""
        tokens = self._tokens(caption)
        found = []
        for first in range(len(tokens)):
            for last in range(min(first + self._longest, len(tokens)), first, -1):
                label = self._labels.get(tokens[first:last])
                if label is not None:
                    found.append((' '.join(tokens[first:last]), label))
        return found


def make_word_parser(
    vocabulary: Vocabulary,
    mode: str = 'fixed',
    backend: str = 'simple',
    classes: Sequence[str] = (),
) -> CaptionWordParser:
    """Make a parser of captions.

    Args:
        vocabulary (Vocabulary): Names with synonyms.
        mode (str): ``'fixed'`` for :class:`NounWords`, ``'parity'`` for
            :class:`LemmaWords`.
        backend (str): ``'simple'`` or ``'spacy'``.
        classes (Sequence[str]): See :class:`NounWords`.

    Raises:
        ValueError: If mode or backend are unknown, spaCy is missing, or ``classes`` are
            given for ``'parity'``, which has no use for them.
    """
    check_choice('mode', mode, MODES)
    if mode == 'fixed':
        return NounWords(vocabulary, classes, backend)
    if classes:
        raise ValueError(
            "mode 'parity' keeps the names of the vocabulary; leave the names of other "
            "classes out, or use mode 'fixed'"
        )
    return LemmaWords(vocabulary, backend)
