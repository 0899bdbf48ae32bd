"""Dividing a job among processes that know nothing of each other."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """One part of a job; it owns every ``number``-th chunk of the work list.

    Args:
        index (int): Which part, from 0.
        number (int): Of how many.

    Raises:
        ValueError: If there is no such part.

    Examples:
        >>> [chunk for chunk in range(8) if Shard(1, 3).owns(chunk)]
        [1, 4, 7]
        >>> print(Shard(1, 3))
        shard 1 of 3
    """

    index: int = 0
    number: int = 1

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(f'there must be at least one shard, not {self.number}')
        if not 0 <= self.index < self.number:
            raise ValueError(
                f'there is no shard {self.index} of {self.number}; shards are counted '
                f'from 0 to {self.number - 1}'
            )

    def __str__(self) -> str:
        return f'shard {self.index} of {self.number}'

    def owns(self, chunk: int) -> bool:
        """Tell whether a chunk belongs to this shard."""
        return chunk % self.number == self.index

    def part(self, index: int, number: int) -> Shard:
        """Divide this shard again.

        Args:
            index (int): Which part of it, from 0.
            number (int): Of how many.

        Returns:
            Shard: A shard of the whole job.

        Examples:
            >>> [str(Shard(1, 2).part(i, 3)) for i in range(3)]
            ['shard 1 of 6', 'shard 3 of 6', 'shard 5 of 6']
        """
        part = Shard(index, number)
        return Shard(self.index + self.number * part.index, self.number * part.number)

    @property
    def lock_name(self) -> str:
        """Name of the lock file of whoever works on it."""
        return f'shard-{self.index}-of-{self.number}.lock'

    @classmethod
    def of_lock(cls, name: str) -> Shard:
        """Read :attr:`lock_name` back."""
        index, number = map(int, re.findall(r'\d+', name))
        return cls(index, number)
