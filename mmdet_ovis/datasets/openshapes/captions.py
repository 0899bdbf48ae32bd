"""Sentences that name the objects of a picture.

Captions are built from templates and say only what is true: names, colours, patterns
and counts come from the objects, relations from where their visible parts are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .catalog import CATEGORY_BY_NAME

_NUMBERS = (
    'no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine',
    'ten', 'eleven', 'twelve',
)  # fmt: skip
_MIN_OFFSET = 0.08
_OPENINGS = ('a picture of {}', '{} in one picture', 'here are {}', 'we see {}')


@dataclass(frozen=True)
class Mention:
    """An object as a caption sees it.

    Attributes:
        look (tuple[str, str, str]): Colour, pattern and category.
        center (tuple[float, float]): Centre of its visible part, fractions of width
            and height.
    """

    look: tuple[str, str, str]
    center: tuple[float, float]


def write_captions(mentions: Sequence[Mention], rng: np.random.Generator) -> list[str]:
    """Write two or three sentences about a picture.

    The first counts the objects by category, the second names one or two groups of
    objects that look alike and how they lie, a third does the same for two others if
    there are enough groups.

    Args:
        mentions (Sequence[Mention]): The objects.
        rng (np.random.Generator): Chooses templates and objects.

    Returns:
        list[str]: Sentences; a single one if there is no object to name.

    Examples:
        >>> disc = Mention(('red', 'striped', 'disc'), (0.2, 0.5))
        >>> gears = [Mention(('blue', 'plain', 'gear'), (0.8, y)) for y in (0.4, 0.6)]
        >>> write_captions([disc, *gears], np.random.default_rng(0))[1]
        'A red striped disc left of two blue plain gears.'
    """
    if not mentions:
        return ['An empty picture.']
    groups = _group(mentions)
    order = [list(groups)[i] for i in rng.permutation(len(groups))]
    sentences = [_overview(mentions, rng)]
    for start in range(0, min(len(order), 4), 2):
        sentences.append(_relation(order[start : start + 2], groups))
    return [_finish(sentence) for sentence in sentences]


def _group(mentions: Sequence[Mention]) -> dict[tuple, np.ndarray]:
    """Centres (n, 2) of the objects of each look, in order of appearance."""
    groups: dict[tuple, list] = {}
    for mention in mentions:
        groups.setdefault(mention.look, []).append(mention.center)
    return {look: np.array(centers) for look, centers in groups.items()}


def _overview(mentions: Sequence[Mention], rng: np.random.Generator) -> str:
    counts = Counter(mention.look[2] for mention in mentions)
    names = [_count(number, '', name) for name, number in counts.items()]
    opening = _OPENINGS[int(rng.integers(len(_OPENINGS)))]
    return opening.format(_enumerate(names))


def _relation(looks: Sequence[tuple], groups: dict[tuple, np.ndarray]) -> str:
    phrases = [
        _count(len(groups[look]), f'{look[0]} {look[1]}', look[2]) for look in looks
    ]
    if len(looks) == 1:
        return phrases[0]
    link = _link(groups[looks[0]], groups[looks[1]])
    return f'{phrases[0]} {link} {phrases[1]}'


def _link(first: np.ndarray, second: np.ndarray) -> str:
    """How all objects of one group lie to all of another; 'near' if it is mixed."""
    ahead = second.min(axis=0) - first.max(axis=0)
    behind = first.min(axis=0) - second.max(axis=0)
    words = ('left of', 'above', 'right of', 'below')
    gaps = np.concatenate([ahead, behind])
    best = int(gaps.argmax())
    return words[best] if gaps[best] >= _MIN_OFFSET else 'near'


def _count(number: int, attributes: str, name: str) -> str:
    """Say how many there are: 'a red disc', 'an arrow', 'two discs'."""
    noun = name if number == 1 else CATEGORY_BY_NAME[name].plural
    phrase = f'{attributes} {noun}'.strip()
    if number == 1:
        return f'{"an" if phrase[0] in "aeiou" else "a"} {phrase}'
    word = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f'{word} {phrase}'


def _enumerate(phrases: Sequence[str]) -> str:
    if len(phrases) == 1:
        return phrases[0]
    return f'{", ".join(phrases[:-1])} and {phrases[-1]}'


def _finish(sentence: str) -> str:
    return f'{sentence[0].upper()}{sentence[1:]}.'
