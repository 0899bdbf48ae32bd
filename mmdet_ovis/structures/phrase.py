"""A word of the vocabulary, found in a caption."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrase:
    """Where a caption names a class.

    Attributes:
        name (str): Name of the class in the vocabulary.
        text (str): As it stands in the caption: ``caption[start:end]``.
        start (int): Offset of its first character.
        end (int): Offset behind its last character.

    Raises:
        ValueError: If the offsets are not those of a text of this length.

    Examples:
        >>> Phrase('couch', 'sofas', 8, 13)
        Phrase(name='couch', text='sofas', start=8, end=13)
    """

    name: str
    text: str
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end or self.end - self.start != len(self.text):
            raise ValueError(
                f'characters {self.start} to {self.end} cannot be {self.text!r}'
            )
