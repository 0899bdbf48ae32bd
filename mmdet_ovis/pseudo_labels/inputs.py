"""Which files a command means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def expand_inputs(inputs: Sequence[str | Path]) -> list[Path]:
    """Resolve paths and glob patterns.

    Raises:
        FileNotFoundError: If there is no such file or a pattern matches none.
        ValueError: If there is no input, or one is named twice.
    """
    paths: list[Path] = []
    for pattern in map(Path, inputs):
        if pattern.exists() or not any(mark in str(pattern) for mark in '*?['):
            paths.append(pattern)
            continue
        root = Path(pattern.anchor)
        found = sorted(root.glob(str(pattern.relative_to(root))))
        if not found:
            raise FileNotFoundError(f'no file matches {pattern}')
        paths += found
    if not paths:
        raise ValueError('there is no input to merge')
    resolved = [path.resolve() for path in paths]
    for i, path in enumerate(resolved):
        if path in resolved[:i]:
            raise ValueError(f'{paths[i]} is among the inputs twice')
    return paths
