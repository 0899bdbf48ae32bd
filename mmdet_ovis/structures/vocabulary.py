"""What a vocabulary is: names in the order of labels, and other words for them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from mmengine.logging import MMLogger


def name_key(name: str) -> str:
    """What names are compared by: case and the amount of space do not count.

    Examples:
        >>> name_key(' Traffic  Light')
        'traffic light'
    """
    return ' '.join(name.split()).casefold()


def split_forms(entry: str) -> tuple[str, ...]:
    """Split what a user writes for one name: the name, and synonyms behind bars.

    Examples:
        >>> split_forms('traffic  cone | pylon'), split_forms(' | ')
        (('traffic cone', 'pylon'), ())
    """
    return tuple(' '.join(form.split()) for form in entry.split('|') if form.strip())


@dataclass(frozen=True)
class Vocabulary:
    """Names of classes, one label each.

    Attributes:
        names (tuple[str, ...]): In the order of labels; no two are equal but for case.
        synonyms (tuple[tuple[str, ...], ...]): Further surface forms of each name;
            ``()`` means none at all.

    Raises:
        ValueError: If there is no name, a name or synonym is blank, two names are
            equal, or there are not as many entries in ``synonyms`` as names.

    Examples:
        >>> vocabulary = Vocabulary(('dog', 'couch'), ((), ('sofa',)))
        >>> vocabulary.forms(1), vocabulary.index('Couch'), len(vocabulary)
        (('couch', 'sofa'), 1, 2)
    """

    names: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.names, str):
            raise ValueError(
                f'names is a list of names, not the text {self.names!r}; '
                'Vocabulary.parse takes a text'
            )
        # Lists, which JSON and configs give, are welcome.
        object.__setattr__(self, 'names', tuple(self.names))
        object.__setattr__(self, 'synonyms', _tuples(self.synonyms))
        if not self.names:
            raise ValueError('a vocabulary needs at least one name')
        if self.synonyms and len(self.synonyms) != len(self.names):
            raise ValueError(
                f'{len(self.synonyms)} lists of synonyms for {len(self.names)} names; '
                'there is one for each name, or none at all'
            )
        for text in (*self.names, *(form for row in self.synonyms for form in row)):
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f'{text!r} is not a name')
        last = self._indices  # of equal names the last one's
        twice = [n for i, n in enumerate(self.names) if last[name_key(n)] != i]
        if twice:
            raise ValueError(
                f'names of a vocabulary are unique; given twice: {", ".join(twice)}'
            )

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {name_key(name): i for i, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name_key(name) in self._indices

    def forms(self, index: int) -> tuple[str, ...]:
        """Return the surface forms of a name, the name itself first, none twice."""
        forms = (self.names[index], *(self.synonyms[index] if self.synonyms else ()))
        different: dict[str, str] = {}
        for form in forms:
            different.setdefault(name_key(form), form)
        return tuple(different.values())

    def index(self, name: str) -> int:
        """Return the label of a name.

        Raises:
            ValueError: If it is not in the vocabulary; the message proposes a close
                one.
        """
        found = self._indices.get(name_key(name))
        if found is None:
            close = difflib.get_close_matches(name_key(name), self._indices, n=1)
            hints = [
                f" Did you mean '{self.names[self._indices[key]]}'?" for key in close
            ]
            raise ValueError(
                f"'{name}' is not among the {len(self)} names of the vocabulary."
                f'{"".join(hints)}'
            )
        return found

    @classmethod
    def parse(cls, text: str) -> Vocabulary:
        """Read a vocabulary from text that a user types.

        Args:
            text (str): Names between full stops, commas or line breaks; synonyms of
                one name between bars. A name that is given again only adds its
                synonyms, with a warning.

        Returns:
            Vocabulary: In the order of the text.

        Raises:
            ValueError: If the text holds no name.

        Examples:
            >>> vocabulary = Vocabulary.parse('dog. traffic cone, couch|sofa')
            >>> vocabulary.names
            ('dog', 'traffic cone', 'couch')
            >>> vocabulary.forms(2)
            ('couch', 'sofa')
        """
        return cls.of(filter(split_forms, re.split(r'[.,\n]', text)))

    @classmethod
    def of(cls, entries: Iterable[str]) -> Vocabulary:
        """Make a vocabulary from a list that a user writes.

        Args:
            entries (Iterable[str]): Names, each with its synonyms behind bars. A name
                that is given again only adds its synonyms, with a warning.

        Raises:
            ValueError: If there is no entry, or one holds no name.

        Examples:
            >>> Vocabulary.of(['dog', 'couch|sofa']).forms(1)
            ('couch', 'sofa')
        """
        if isinstance(entries, str):
            raise ValueError(
                f'entries are a list, not the text {entries!r}; Vocabulary.parse takes '
                'a text'
            )
        rows = []
        for entry in entries:
            rows.append(split_forms(entry) if isinstance(entry, str) else ())
            if not rows[-1]:
                raise ValueError(f'{entry!r} is not a name')
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Iterable[Iterable[str]]) -> Vocabulary:
        """Make a vocabulary from rows of a name and its synonyms.

        Rows of the same name are merged, with a warning.

        Raises:
            ValueError: If there is no row, or one has no name.
        """
        merged: dict[str, list[str]] = {}
        for name, *synonyms in rows:
            key = name_key(name)
            if key in merged:
                MMLogger.get_current_instance().warning(
                    "'%s' stands in the vocabulary more than once", name
                )
            merged.setdefault(key, [name]).extend(synonyms)
        return cls(
            tuple(row[0] for row in merged.values()),
            tuple(tuple(row[1:]) for row in merged.values())
            if any(len(row) > 1 for row in merged.values())
            else (),
        )


def _tuples(rows: Iterable[Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    rows = tuple(rows)
    texts = [row for row in rows if isinstance(row, str)]
    if texts:
        raise ValueError(f'synonyms are lists, one a name, not the text {texts[0]!r}')
    return tuple(tuple(row) for row in rows)
