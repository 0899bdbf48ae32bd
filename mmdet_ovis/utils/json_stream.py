"""JSON files that are read piece by piece, in memory that does not grow with them.

The parser is that of :mod:`json`, called on one element at a time; only the outermost
list or object, and the lists right inside that object, are walked here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

_CHUNK: Final = 1 << 20
"""Characters that are read at a time."""

_SPACE: Final = ' \t\n\r'

_TOKEN: Final = 16
"""More characters than a token can have that is cut off without being a string."""

_UNTERMINATED: Final = 'Unterminated string'
"""How the parser's complaint about a string without an end begins."""

_DECODER: Final = json.JSONDecoder()

_KINDS: Final = {'[': list, '{': dict, '"': str, 't': bool, 'f': bool, 'n': type(None)}


class JsonStream:
    """A cursor in a JSON text.

    :func:`open_json` opens files. Whoever stands before a value asks for its
    :attr:`kind` and takes it with :meth:`elements`, :meth:`members`, :meth:`value` or
    :meth:`skip`.

    Args:
        file (TextIO): The text.
        path (str | PathLike): What to call it in messages.
        chunk (int): Characters to read at a time.

    Examples:
        >>> import io
        >>> stream = JsonStream(io.StringIO('{"ids": [1, 2], "info": {"year": 5}}'))
        >>> for key in stream.members():
        ...     print(key, list(stream.elements()) if key == 'ids' else stream.value())
        ids [1, 2]
        info {'year': 5}
        >>> stream.end()
    """

    def __init__(
        self, file: TextIO, path: str | os.PathLike = 'JSON', chunk: int = _CHUNK
    ) -> None:
        self._file = file
        self._path = path
        self._chunk = chunk
        self._text = ''  # from the cursor on, and what stands before it in the chunk
        self._at = 0
        self._at_end = False  # nothing is left in the file
        self._line, self._column = 1, 1  # where the text begins

    @property
    def kind(self) -> type:
        """Python type of the next value: list, dict, str, bool, NoneType or float."""
        first = self._peek()
        if not first:
            raise self._error('Expecting value', self._at)
        return _KINDS.get(first, float)

    def elements(self) -> Iterator[Any]:
        """Take a list, element by element."""
        self._take('[', 'Expecting a list')
        if self._peek() == ']':
            self._at += 1
            return
        while True:
            yield self.value()
            if self._next_or_close(']'):
                return

    def members(self) -> Iterator[str]:
        """Take an object: after each key, take the value that follows.

        Raises:
            ValueError: If a key occurs twice.
        """
        self._take('{', 'Expecting an object')
        if self._peek() == '}':
            self._at += 1
            return
        seen = set()
        while True:
            if self._peek() != '"':
                raise self._error(
                    'Expecting property name enclosed in double quotes', self._at
                )
            place = self._at
            key = self.value()
            if key in seen:
                raise self._error(f'Key {key!r} occurs twice', place)
            seen.add(key)
            self._take(':', "Expecting ':' delimiter")
            yield key
            if self._next_or_close('}'):
                return

    def value(self) -> Any:
        """Take a whole value."""
        self._peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._may_be_cut_off(error):
                    raise self._error(error.msg, error.pos) from None
                self._read()
                continue
            except RecursionError:
                raise self._error('Nested too deeply', self._at) from None
            # A number may go on in the next chunk: 1 | 2, 1 | .5, 1e | 5, 1e+ | 5.
            if end + 3 > len(self._text) and not self._at_end:
                self._read()
                continue
            self._at = end
            return value

    def skip(self) -> None:
        """Pass over a value; over a list without keeping more than an element."""
        if self.kind is list:
            for _ in self.elements():
                pass
        else:
            self.value()

    def end(self) -> None:
        """Insist that nothing follows.

        Raises:
            ValueError: If something does.
        """
        if self._peek():
            raise self._error('Extra data', self._at)

    def _next_or_close(self, bracket: str) -> bool:
        """Pass a comma, or the closing bracket: then True."""
        mark = self._peek()
        if mark not in (',', bracket):
            raise self._error("Expecting ',' delimiter", self._at)
        self._at += 1
        return mark == bracket

    def _take(self, mark: str, complaint: str) -> None:
        if self._peek() != mark:
            raise self._error(complaint, self._at)
        self._at += 1

    def _peek(self) -> str:
        """Pass spaces and return the character after them, '' at the end."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in _SPACE:
                    return character
                self._at += 1
            if self._at_end:
                return ''
            self._read()

    def _may_be_cut_off(self, error: json.JSONDecodeError) -> bool:
        """Tell whether more text could make the value complete."""
        if self._at_end:
            return False
        in_string = error.msg.startswith(_UNTERMINATED)
        return in_string or len(self._text) - error.pos <= _TOKEN

    def _read(self) -> None:
        """Forget what the cursor has passed, and read on.

        What is read doubles as long as a value is not complete, so that the time for
        one large value stays linear.
        """
        self._line, self._column = self._place(self._at)
        rest = self._text[self._at :]
        try:
            more = self._file.read(max(self._chunk, len(rest)))
        except UnicodeDecodeError:
            raise ValueError(f'{self._path} is not a JSON text file') from None
        self._at_end = not more
        self._text, self._at = rest + more, 0

    def _place(self, index: int) -> tuple[int, int]:
        """Line and column of a place in the text, from 1."""
        breaks = self._text.count('\n', 0, index)
        if not breaks:
            return self._line, self._column + index
        return self._line + breaks, index - self._text.rindex('\n', 0, index)

    def _error(self, what: str, index: int) -> ValueError:
        line, column = self._place(index)
        cut_off = self._at_end and (
            what.startswith(_UNTERMINATED) or not self._text[index:].strip()
        )
        return ValueError(
            f'{self._path} is not valid JSON: {what.removesuffix(" starting at")} '
            f'at line {line}, column {column}' + '; is the file truncated?' * cut_off
        )


def is_json_object(path: str | os.PathLike) -> bool:
    """Tell ``.json`` files with an object, as COCO's, from lists and other files.

    Raises:
        FileNotFoundError: If there is no such ``.json`` file.
        ValueError: If it holds no JSON.
    """
    if Path(path).suffix.lower() != '.json':
        return False
    with open_json(path) as stream:
        return stream.kind is dict


@contextmanager
def open_json(path: str | os.PathLike) -> Iterator[JsonStream]:
    """Open a JSON file for reading piece by piece.

    Args:
        path (str | PathLike): A JSON file.

    Yields:
        JsonStream: It stands before the outermost value. Its errors name file, line
        and column.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is a folder.
    """
    path = Path(path)
    try:
        file = path.open(encoding='utf-8')
    except FileNotFoundError:
        raise FileNotFoundError(f'no such file: {path}') from None
    except IsADirectoryError:
        raise ValueError(f'{path} is a folder, a JSON file is needed') from None
    with file:
        yield JsonStream(file, path)
