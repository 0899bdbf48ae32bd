"""Pickles of arrays, read without running what they name.

Unpickling runs code: whatever a pickle names is imported and called. The reader here
knows three names, those of numpy's arrays, scalars and types, and puts functions of its
own in their place, which make nothing but arrays of numbers; a pickle that names
anything else is refused.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

KINDS: Final = 'biuf'
"""Kinds of numpy's types that are numbers."""

_DAMAGE: Final = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
    ImportError,
    SyntaxError,
)
"""What the unpickler raises on bytes that are no pickle."""


def load_array_pickle(path: str | Path) -> Any:
    """Load a pickle of plain containers and arrays of numbers.

    Args:
        path (str | Path): The file.

    Returns:
        Any: Lists, tuples, dicts, strings and numbers, and arrays of numbers.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it names anything else, or is damaged.
    """
    try:
        with Path(path).open('rb') as file:
            return _reveal(_ArrayUnpickler(file, path).load())
    except FileNotFoundError:
        raise FileNotFoundError(f'no such file: {path}') from None
    except _RefusedError:
        raise
    except _DAMAGE as error:
        raise ValueError(
            f'{path} is not a pickle of arrays, or is damaged: {error}'
        ) from None


class _RefusedError(ValueError):
    """A pickle that wants more than arrays of numbers."""


class _ArrayUnpickler(pickle.Unpickler):
    """Knows the names of :data:`_KNOWN`, and nothing else."""

    def __init__(self, file: IO[bytes], path: str | Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Callable:
        known = _KNOWN.get((module.replace('numpy._core', 'numpy.core'), name))
        if known is None:
            raise _RefusedError(
                f'{self._path} was not loaded: it names {module}.{name}, and '
                'unpickling that could run code; only arrays and scalars of numpy are '
                'read'
            )
        return known


class _Type:
    """In place of ``numpy.dtype``: a type of numbers whose byte order may be set."""

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in KINDS:
            raise ValueError(f'an array of {self.dtype}, not of numbers')

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ('<', '>'):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """In place of an array that is being made; ``__setstate__`` fills it."""

    def __init__(self, *_: Any) -> None:
        self.array = np.empty(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, is_fortran, data = state
        self.array = _make_array(data, kind, shape, 'F' if is_fortran else 'C')


class _ArrayClass:
    """In place of ``numpy.ndarray``, which pickles only pass on."""


def _make_array(data: Any, kind: _Type, shape: tuple, order: str) -> np.ndarray:
    return np.frombuffer(data, kind.dtype).reshape(shape, order=order).copy()


def _make_buffered(data: Any, kind: _Type, shape: tuple, order: str) -> _Array:
    made = _Array()
    made.array = _make_array(data, kind, shape, order)
    return made


def _make_scalar(kind: _Type, data: bytes) -> int | float | bool:
    return np.frombuffer(data, kind.dtype, count=1)[0].item()


_KNOWN: Mapping[tuple[str, str], Callable] = {
    ('numpy', 'dtype'): _Type,
    ('numpy', 'ndarray'): _ArrayClass,
    ('numpy.core.multiarray', '_reconstruct'): _Array,
    ('numpy.core.multiarray', 'scalar'): _make_scalar,
    ('numpy.core.numeric', '_frombuffer'): _make_buffered,
}


def _reveal(content: Any) -> Any:
    """Replace what stands in place of arrays by the arrays."""
    if isinstance(content, _Array):
        return content.array
    if isinstance(content, _Type):
        return content.dtype
    if isinstance(content, (list, tuple)):
        return type(content)(map(_reveal, content))
    if isinstance(content, dict):
        return {key: _reveal(value) for key, value in content.items()}
    return content
