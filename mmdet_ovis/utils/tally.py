"""Counting what does not fit, with the first places of each kind."""

from __future__ import annotations

from collections.abc import Iterable


class Tally:
    """Counts by reason; remembers where each was met first.

    Args:
        n_examples (int): Places to remember of each reason. Defaults to 3.

    Examples:
        >>> tally = Tally(n_examples=1)
        >>> tally.add('mask is empty', 'row 3')
        >>> tally.add('mask is empty', 'row 9')
        >>> print(tally)
        2 x mask is empty, for example row 3
    """

    def __init__(self, n_examples: int = 3) -> None:
        self.n_examples = n_examples
        self.counts: dict[str, int] = {}
        self.examples: dict[str, list[str]] = {}

    def add(self, reason: str, place: str) -> None:
        """Count one."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < self.n_examples:
            examples.append(place)

    def extend(self, entries: Iterable[tuple[str, str]]) -> None:
        """Count pairs of reason and place, such as a worker process returns."""
        for reason, place in entries:
            self.add(reason, place)

    @property
    def total(self) -> int:
        """How many in all."""
        return sum(self.counts.values())

    def lines(self) -> list[str]:
        """Return one line a reason, in the order in which they were met."""
        return [
            f'{count} x {reason}, for example {"; ".join(self.examples[reason])}'
            for reason, count in self.counts.items()
        ]

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        return '\n'.join(self.lines())
