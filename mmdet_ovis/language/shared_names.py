"""One name for one thing: that of the data set that a detector is tested on."""

from __future__ import annotations

from collections.abc import Sequence

from ..structures.vocabulary import Vocabulary, name_key
from .aliases import SYNONYMS
from .noun_parser import form_words, meanings
from .surface import embedding_text, embedding_texts


def shared_names(vocabulary: Vocabulary, classes: Sequence[str] = ()) -> list[str]:
    """Give the classes of a vocabulary names that a text encoder can read.

    A class that a data set has as well gets the name that the data set has for it
    ("sofa" becomes "couch"), so that both have the same text vector in training and
    test. It has to be the same thing: synonyms and spellings count, kinds do not.
    Where several classes of the data set are one class of the vocabulary, it keeps its
    own name.

    Args:
        vocabulary (Vocabulary): C names with synonyms, such as those of LVIS.
        classes (Sequence[str]): Names of the data set.

    Returns:
        list[str]: C different names.

    Raises:
        ValueError: If names would be the same.

    Examples:
        >>> lvis = Vocabulary(('sofa', 'puppy', 'bus_(vehicle)', 'computer_keyboard'))
        >>> shared_names(lvis, ['couch', 'dog', 'bus', 'keyboard'])
        ['couch', 'puppy', 'bus', 'keyboard']
    """
    names = [texts[0] for texts in embedding_texts(vocabulary)]
    labels = meanings(vocabulary, aliases=SYNONYMS)
    # What a class is called wins over what else its name may mean.
    own = {
        name_key(name): label
        for of_all in (names, vocabulary.names)
        for label, name in enumerate(of_all)
    }
    claims: dict[int, list[str]] = {}
    for name in classes:
        label = own.get(name_key(name))
        if label is None:
            label = labels.get(form_words(embedding_text(name)))
        if label is not None:
            claims.setdefault(label, []).append(name)
    for label, claimants in claims.items():
        if len(claimants) == 1:
            names[label] = claimants[0]
    return list(Vocabulary(names).names)
