"""Text files with a class a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .io import atomic_write_text


def read_class_list(path: str | Path) -> list[str]:
    """Read classes from a text file, one a line; ``#`` begins a comment.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no class, or is no text.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no such file: {path}')
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except UnicodeDecodeError:
        raise ValueError(f'{path} is not a text file') from None
    entries = [line.partition('#')[0].strip() for line in lines]
    entries = [entry for entry in entries if entry]
    if not entries:
        raise ValueError(f'{path} names no class; one a line is needed')
    return entries


def write_class_list(path: str | Path, entries: Iterable[str | int]) -> None:
    """Write what :func:`read_class_list` reads."""
    atomic_write_text(path, ''.join(f'{entry}\n' for entry in entries))


def file_or_split(text: str | None) -> str | list[str] | None:
    """Read what a command line says about classes.

    Args:
        text (str, optional): A file with one class a line, or the name of a split.

    Returns:
        str | list[str] | None: The classes of the file; a name, or None, as it is.

    Raises:
        FileNotFoundError: If it looks like a file, and there is none.
        ValueError: If the file is broken.

    Examples:
        >>> file_or_split('ov_base')
        'ov_base'
    """
    if text is None or not (Path(text).is_file() or Path(text).suffix):
        return text
    return read_class_list(text)
