"""Tables with a head line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path


def read_csv(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Read the rows of a CSV file with their numbers, from 1.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no CSV file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no such file: {path}')
    with path.open(newline='', encoding='utf-8') as file:
        reader = csv.reader(file)
        try:
            yield from enumerate(reader, start=1)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f'{path} is not a CSV file: {error}') from None


def read_rows(
    path: str | Path, columns: Sequence[str], what: str
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read the rows of a CSV file by the names of its columns.

    Args:
        path (str | Path): CSV file.
        columns (Sequence[str]): Columns that it must have.
        what (str): What the file should be, for messages.

    Yields:
        tuple[int, dict[str, str]]: Number of the row, from 1, and its values.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If columns are missing, or a row has not as many as the first one;
            the message names file and row.
    """
    rows = read_csv(path)
    _, head = next(rows, (0, []))
    missing = [column for column in columns if column not in head]
    if missing:
        raise ValueError(
            f'{path}: the first row lacks the columns {missing}; is this a file {what}?'
        )
    for number, values in rows:
        if len(values) != len(head):
            raise ValueError(
                f'{path}: row {number} has {len(values)} columns, the first row has '
                f'{len(head)}; is the file truncated?'
            )
        yield number, dict(zip(head, values, strict=True))
