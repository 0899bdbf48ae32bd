"""The identity of a run: what must not change between two calls that share results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

_SHOWN = 5


class SignatureMismatchError(ValueError):
    """Results of another run stand where this run wants to write."""


@dataclass(frozen=True)
class RunSignature:
    """Everything that the output of a job depends on.

    Args:
        ingredients (Mapping): Nested mappings and lists of plain values; stored as
            they are, so that a difference can be named.

    Examples:
        >>> old = RunSignature({'topk': 20, 'pa_to_masks': {'nms': 0.2}})
        >>> new = RunSignature({'topk': 20, 'pa_to_masks': {'nms': 0.3}})
        >>> old.digest == new.digest
        False
        >>> new.differences(old)
        ['pa_to_masks.nms: 0.2 there, 0.3 here']
    """

    ingredients: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the ingredients, 64 hexadecimal digits."""
        return hashlib.sha256(canonical_json(self.ingredients).encode()).hexdigest()

    def differences(self, other: RunSignature) -> list[str]:
        """Name what differs between ``other`` (there) and this signature (here)."""
        here, there = _flatten(self.ingredients), _flatten(other.ingredients)
        return [
            f'{key}: {_show(there.get(key))} there, {_show(here.get(key))} here'
            for key in sorted(here.keys() | there.keys())
            if here.get(key) != there.get(key)
        ]

    def check_same(self, other: RunSignature, place: Path) -> None:
        """Insist that ``place`` holds results of this very run.

        Raises:
            SignatureMismatchError: If not; the message names the differences and the
                remedy.
        """
        if self.digest == other.digest:
            return
        differences = self.differences(other)
        more = f'; and {len(differences) - _SHOWN} more' * (len(differences) > _SHOWN)
        raise SignatureMismatchError(
            f'{place} belongs to a run with other settings '
            f'({"; ".join(differences[:_SHOWN])}{more}). Choose another output, repeat '
            'the settings to resume that run, or start over with --overwrite'
        )


def canonical_json(value: Any) -> str:
    """Write JSON that is the same text for equal values.

    Raises:
        ValueError: If the value holds NaN or infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(',', ':'), allow_nan=False)


def file_sha256(path: str | Path) -> str:
    """Hash a file.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    try:
        with Path(path).open('rb') as file:
            return _file_digest(file)
    except FileNotFoundError:
        raise FileNotFoundError(f'no such file: {path}') from None


def _file_digest(file: Any, block: int = 1 << 20) -> str:
    digest = hashlib.sha256()
    while data := file.read(block):
        digest.update(data)
    return digest.hexdigest()


def _show(text: str | None, limit: int = 40) -> str:
    if text is None:
        return 'absent'
    return text if len(text) <= limit else f'{text[: limit // 2]}...'


def _flatten(value: Any, prefix: str = '') -> dict[str, str]:
    if isinstance(value, Mapping) and value:
        return {
            key: text
            for name, item in value.items()
            for key, text in _flatten(item, f'{prefix}{name}.').items()
        }
    return {prefix.rstrip('.'): canonical_json(value)}
