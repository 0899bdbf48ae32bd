"""How the name of a class reads in a sentence.

Data sets write their names as identifiers: ``car_(automobile)``, ``Cabinet/shelf``,
``diningtable``. Parsers and text encoders want words.
"""

from __future__ import annotations

from collections import Counter

from ..structures.vocabulary import Vocabulary, name_key

_SPELLINGS = {  # as PASCAL VOC and Objects365 write them
    'bakset': 'basket', 'ballon': 'balloon', 'billards': 'billiards',
    'buttefly': 'butterfly', 'campel': 'camel', 'diningtable': 'dining table',
    'dinning': 'dining', 'extention': 'extension', 'hotair': 'hot air',
    'measur': 'measure', 'moniter': 'monitor', 'mushroon': 'mushroom',
    'noddles': 'noodles', 'pottedplant': 'potted plant', 'teniis': 'tennis',
    'tvmonitor': 'tv monitor',
}  # fmt: skip


def embedding_text(name: str) -> str:
    """Return what a text encoder is given for a name.

    Underscores become spaces, a qualifier in parentheses goes, a slash becomes "or",
    all is lower case, and misspelt names of known data sets are put right.

    Args:
        name (str): As a data set writes it.

    Returns:
        str: Words.

    Raises:
        ValueError: If nothing but a qualifier is left.

    Examples:
        >>> [embedding_text(n) for n in ('car_(automobile)', 'Cabinet/shelf', 'TV')]
        ['car', 'cabinet or shelf', 'tv']
    """
    bare = name.replace('_', ' ').partition('(')[0].replace('/', ' or ')
    words = [_SPELLINGS.get(word, word) for word in bare.casefold().split()]
    if not words:
        raise ValueError(f'the name {name!r} holds no word')
    return ' '.join(words)


def surface_forms(name: str) -> tuple[str, ...]:
    """Return what a caption may say for a name.

    Examples:
        >>> surface_forms('Cabinet/shelf'), surface_forms('bus_(vehicle)')
        (('cabinet', 'shelf'), ('bus',))
    """
    parts = name.partition('(')[0].split('/')
    return tuple(dict.fromkeys(embedding_text(p) for p in parts if p.strip(' _')))


def embedding_texts(vocabulary: Vocabulary) -> tuple[tuple[str, ...], ...]:
    """Return the texts that stand for each name: its own, then its synonyms'.

    Names that differ in their qualifier only keep it, since they would share one
    vector otherwise.

    Args:
        vocabulary (Vocabulary): C names.

    Returns:
        tuple[tuple[str, ...], ...]: C tuples of different texts.

    Examples:
        >>> embedding_texts(Vocabulary(('fish', 'fish_(food)', 'pan_(metal)')))
        (('fish',), ('fish (food)',), ('pan',))
    """
    counts = Counter(embedding_text(name) for name in vocabulary.names)
    rows = []
    for index, name in enumerate(vocabulary.names):
        text = embedding_text(name)
        if counts[text] > 1:
            text = name_key(name.replace('_', ' '))
        others = (embedding_text(form) for form in vocabulary.forms(index)[1:])
        rows.append(tuple(dict.fromkeys((text, *others))))
    return tuple(rows)
