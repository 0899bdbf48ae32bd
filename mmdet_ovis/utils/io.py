"""Files that are either whole or absent.

A reader of this project never meets half a file: every write goes to a temporary file
in the destination folder, is flushed to disk, and only then takes its name.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_open(
    path: str | os.PathLike,
    mode: str = 'w',
    temporary_dir: str | os.PathLike | None = None,
) -> Iterator[IO]:
    """Open a file for writing that appears under its name only when it is complete.

    If the body raises, the destination is left as it was and nothing else remains.
    Parent folders are made.

    Args:
        path (str | PathLike): Destination.
        mode (str): ``'w'`` for UTF-8 text or ``'wb'`` for bytes.
        temporary_dir (str | PathLike, optional): Existing folder on the same file
            system for the file while it is written, where a kill may leave it.
            Defaults to the folder of the destination.

    Yields:
        IO: The open temporary file.

    Raises:
        OSError: If the folder cannot be written or the disk is full; the message
            names the destination.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=temporary_dir or path.parent, prefix=f'.{path.name}.', suffix='.part'
        )
        encoding = None if 'b' in mode else 'utf-8'
        with os.fdopen(handle, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; results are as readable as any other file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # noqa: PTH101
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and _is_of_writing(error, temporary):
            message = f'cannot write {path}: {error.strerror}'
            raise OSError(error.errno, message) from None
        raise
    _sync_folder(path.parent)


def _is_of_writing(error: OSError, temporary: str | None) -> bool:
    """Tell errors of the writing itself from those of a body with files of its own.

    Where ``write`` or ``fsync`` fail (no space left, quota), the error names no file.
    """
    if error.errno is None:
        return False
    return temporary is None or error.filename in (None, temporary)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable; some file systems do not offer this."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)


def atomic_write_text(
    path: str | os.PathLike,
    text: str,
    temporary_dir: str | os.PathLike | None = None,
) -> None:
    """Write UTF-8 text atomically; see :func:`atomic_open`."""
    with atomic_open(path, temporary_dir=temporary_dir) as file:
        file.write(text)


def atomic_write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write bytes atomically."""
    with atomic_open(path, 'wb') as file:
        file.write(data)


def atomic_write_json(
    path: str | os.PathLike,
    obj: Any,
    indent: int | None = None,
    temporary_dir: str | os.PathLike | None = None,
) -> None:
    """Write JSON atomically; see :func:`atomic_open`.

    Raises:
        ValueError: If ``obj`` holds NaN or infinity, which JSON does not know.
    """
    with atomic_open(path, temporary_dir=temporary_dir) as file:
        json.dump(obj, file, indent=indent, allow_nan=False)


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not valid JSON; the message names file and position.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding='utf-8')
    except FileNotFoundError:
        raise FileNotFoundError(f'no such file: {path}') from None
    except IsADirectoryError:
        raise ValueError(f'{path} is a folder, a JSON file is needed') from None
    except UnicodeDecodeError:
        raise ValueError(f'{path} is not a JSON text file') from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{path} is not valid JSON: {error.msg} at line {error.lineno}, '
            f'column {error.colno}; is the file truncated?'
        ) from None
