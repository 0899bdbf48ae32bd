"""Arrays of ``.npz`` files, read without unpickling."""

from __future__ import annotations

import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

_DAMAGE: Final = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    SyntaxError,
    MemoryError,
    OverflowError,
    RecursionError,
    RuntimeError,  # with a password; or, NotImplementedError, of an unknown compression
    LookupError,
    struct.error,
    tokenize.TokenError,
    lzma.LZMAError,
    zlib.error,
    zipfile.BadZipFile,
)
"""What numpy, and the zip archive below it, raise on files that are broken."""


def load_npz(
    path: str | os.PathLike, what: str, names: Iterable[str], hint: str = ''
) -> dict[str, np.ndarray]:
    """Read arrays of an ``.npz`` file; nothing in the file is executed.

    Args:
        path (str | PathLike): The file.
        what (str): What it should be, for messages: ``'text embedding bank'``.
        names (Iterable[str]): Arrays that it must have; others are not read.
        hint (str): Where such files come from, for messages.

    Returns:
        dict[str, np.ndarray]: By name, in the order of ``names``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken, holds pickled objects, or lacks an array.
    """
    path, hint = Path(path), hint and f'; {hint}'
    if not path.is_file():
        raise FileNotFoundError(f'no such {what}: {path}{hint}')
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            if not missing:
                return {name: archive[name] for name in names}
    except _DAMAGE as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f'{path} is not a {what} ({reason}){hint}') from None
    raise ValueError(f'{path} is not a {what}: it has no {", ".join(missing)}{hint}')
