"""Pickles of arrays, read without running what they name.

Unpickling runs code: whatever a pickle names is imported and called. The reader here
knows the names of numpy's arrays, scalars and types, and those by which old protocols
write bytes. It puts objects of its own in their place, which make nothing but arrays of
numbers and which no pickle can change; one that names anything else is refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

KINDS: Final = 'biuf'
"""Kinds of numpy's types that are numbers."""

_MIN_BUDGET: Final = 1000
_BUDGET_A_BYTE: Final = 8
"""Parts that a pickle may show, and bytes that it may make, for each of its own."""

_PUTS: Final = frozenset({'PUT', 'BINPUT', 'LONG_BINPUT'})
"""Instructions that keep a part under a number, for later."""

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
        Any: Lists, tuples, dicts, strings and numbers, and arrays of numbers, which are
        not to be written to.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it names anything else, or is damaged.
    """
    try:
        data = Path(path).read_bytes()
        _check_numbers(data, path)
        budget = _Budget(path, len(data))
        return _reveal(_ArrayUnpickler(io.BytesIO(data), path, budget).load(), budget)
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


def _check_numbers(data: bytes, path: str | Path) -> None:
    """Refuse a pickle that numbers its parts beyond what it can have.

    The unpickler keeps parts in a list that is as long as the largest number demands.

    Raises:
        _RefusedError: If there is such a number.
    """
    for instruction, argument, _ in pickletools.genops(data):
        if instruction.name in _PUTS and argument > len(data):
            raise _RefusedError(
                f'{path} was not loaded: it numbers a part {argument}, and its '
                f'{len(data)} bytes cannot hold as many'
            )


class _Budget:
    """What may come out of a file of some size.

    A list that holds another one twice, which holds another one twice, and so on, is
    short in a file and endless when it is walked; bytes that stand there once can be
    made into any number of others.
    """

    def __init__(self, path: str | Path, n_bytes: int) -> None:
        self._path = path
        self._left = max(_MIN_BUDGET, _BUDGET_A_BYTE * n_bytes)

    def spend(self, number: int) -> None:
        """Count parts or bytes.

        Raises:
            _RefusedError: If there are far more than the file could hold.
        """
        self._left -= number
        if self._left < 0:
            raise _RefusedError(
                f'{self._path} was not loaded: it holds the same parts over and over, '
                'far more than its size can mean'
            )


class _ArrayUnpickler(pickle.Unpickler):
    """Knows the names of :data:`_KNOWN`, and nothing else."""

    def __init__(self, file: IO[bytes], path: str | Path, budget: _Budget) -> None:
        super().__init__(file)
        self._path = path
        self._budget = budget

    def find_class(self, module: str, name: str) -> Callable:
        known = _KNOWN.get((module.replace('numpy._core', 'numpy.core'), name))
        if known is None:
            raise _RefusedError(
                f'{self._path} was not loaded: it names {module}.{name}, and '
                'unpickling that could run code; only arrays and scalars of numpy are '
                'read'
            )
        return _Maker(known, self._budget)


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


def _make_array(data: Any, kind: _Type, shape: tuple, order: str) -> np.ndarray:
    return np.frombuffer(data, kind.dtype).reshape(shape, order=order)


def _make_buffered(data: Any, kind: _Type, shape: tuple, order: str) -> _Array:
    made = _Array()
    made.array = _make_array(data, kind, shape, order)
    return made


def _make_scalar(kind: _Type, data: bytes) -> int | float | bool:
    return np.frombuffer(data, kind.dtype, count=1)[0].item()


def _make_nothing() -> None:
    raise pickle.UnpicklingError('numpy.ndarray is called')


def _make_bytes(text: str, encoding: str) -> bytes:
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'bytes are written as latin1, not {encoding!r}')
    return text.encode('latin1')


def _make_no_bytes() -> bytes:
    return b''


class _Maker:
    """What is handed out under a name: it can be called, and is what it is for good.

    A pickle may set attributes of whatever it gets hold of (its BUILD instruction),
    those of a function or class included, which would outlive it.
    """

    __slots__ = ('_budget', '_make')

    def __init__(self, make: Callable, budget: _Budget) -> None:
        object.__setattr__(self, '_make', make)
        object.__setattr__(self, '_budget', budget)

    def __call__(self, *args: Any) -> Any:
        self._budget.spend(1 + sum(len(x) for x in args if isinstance(x, str | bytes)))
        return self._make(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f'{name} of a known name is not to be set')

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError('it changes what it names')


_KNOWN: Final[Mapping[tuple[str, str], Callable]] = {
    ('numpy', 'dtype'): _Type,
    ('numpy', 'ndarray'): _make_nothing,  # pickles only pass it on
    ('numpy.core.multiarray', '_reconstruct'): _Array,
    ('numpy.core.multiarray', 'scalar'): _make_scalar,
    ('numpy.core.numeric', '_frombuffer'): _make_buffered,
    # Protocols 0 to 2 have no bytes of their own.
    ('_codecs', 'encode'): _make_bytes,
    ('__builtin__', 'bytes'): _make_no_bytes,
}


def _reveal(content: Any, budget: _Budget) -> Any:
    """Replace what stands in place of arrays by the arrays."""
    budget.spend(1)
    if isinstance(content, _Array):
        return content.array
    if isinstance(content, _Type):
        return content.dtype
    if isinstance(content, _Maker):
        raise pickle.UnpicklingError('it holds the name of a function')
    if isinstance(content, (list, tuple)):
        return type(content)(_reveal(value, budget) for value in content)
    if isinstance(content, dict):
        return {key: _reveal(value, budget) for key, value in content.items()}
    return content
