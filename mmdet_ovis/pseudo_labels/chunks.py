"""One chunk of results: a JSON-lines file that is either complete or does not exist.

Every line but the last is the result of one image; the last is a footer with counts,
a checksum of the lines before it and the signature of the run. A file without a valid
footer counts as absent, so a kill at any moment costs one chunk at most.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import BinaryIO

from ..structures.pseudo_annotation import PseudoAnnotation
from ..utils.io import atomic_write_bytes
from .quarantine import BrokenImage
from .signature import canonical_json

_TAIL = 4096
"""Bytes that hold the footer of a chunk without broken images."""


@dataclass(frozen=True)
class ImageRecord:
    """The result of one image: annotations, or why there are none.

    Args:
        image_id (int): Image in the annotation file.
        annotations (Sequence[PseudoAnnotation]): Best rank first, empty if nothing
            was found.
        error (str, optional): Why the image could not be processed.
        dropped (Sequence[Mapping[str, str]]): What it was searched for in vain, each
            with ``name`` and ``reason``.
    """

    image_id: int
    annotations: Sequence[PseudoAnnotation] = ()
    error: str | None = None
    dropped: Sequence[Mapping[str, str]] = ()

    def to_line(self) -> str:
        """Write the record as one line of JSON."""
        if self.error is not None:
            return canonical_json({'image_id': self.image_id, 'error': self.error})
        entry = {'image_id': self.image_id, 'annotations': list(self.annotations)}
        if self.dropped:
            entry['dropped'] = list(self.dropped)
        return canonical_json(entry)

    @classmethod
    def from_line(cls, line: str | bytes) -> ImageRecord:
        """Read what :meth:`to_line` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Counts:
    """What a set of records amounts to; adds up over chunks."""

    n_images: int = 0
    n_masks: int = 0
    n_empty: int = 0  # processed, but nothing found
    n_broken: int = 0
    sum_gt_iou: float = 0.0
    n_compared: int = 0  # masks with a gt_iou
    dropped: Mapping[str, int] = field(default_factory=dict)  # by reason

    @classmethod
    def of(cls, records: Iterable[ImageRecord]) -> Counts:
        """Count records."""
        records = list(records)
        masks = [ann for record in records for ann in record.annotations]
        ious = [ann['gt_iou'] for ann in masks if ann['gt_iou'] is not None]
        broken = sum(record.error is not None for record in records)
        empty = sum(not record.annotations for record in records) - broken
        return cls(
            n_images=len(records),
            n_masks=len(masks),
            n_empty=empty,
            n_broken=broken,
            sum_gt_iou=round(sum(ious), 6),
            n_compared=len(ious),
            dropped=_sorted(
                Counter(item['reason'] for record in records for item in record.dropped)
            ),
        )

    def __add__(self, other: Counts) -> Counts:
        numbers = [f.name for f in fields(self) if f.name != 'dropped']
        return Counts(
            *(getattr(self, name) + getattr(other, name) for name in numbers),
            dropped=_sorted(Counter(self.dropped) + Counter(other.dropped)),
        )


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


@dataclass(frozen=True)
class ChunkFooter:
    """Last line of a chunk file.

    Args:
        counts (Counts): Of its records.
        sha256 (str): Of all bytes before the footer.
        signature (str): Digest of the run.
        broken (Sequence[BrokenImage]): The images that could not be processed, so
            that a process can list those of all others without reading their results.
    """

    counts: Counts
    sha256: str
    signature: str
    broken: Sequence[BrokenImage] = ()

    @classmethod
    def from_line(cls, line: bytes) -> ChunkFooter | None:
        """Read a footer; None if the line is none."""
        try:
            entry = json.loads(line)['footer']
            return cls(
                Counts(**entry['counts']),
                entry['sha256'],
                entry['signature'],
                tuple(BrokenImage(**image) for image in entry['broken']),
            )
        except (ValueError, KeyError, TypeError):
            return None


def write_chunk(
    path: Path, records: Sequence[ImageRecord], signature: str
) -> ChunkFooter:
    """Write a chunk atomically.

    Args:
        path (Path): Destination.
        records (Sequence[ImageRecord]): Results in dataset order.
        signature (str): Digest of the run.

    Returns:
        ChunkFooter: As it stands in the file.
    """
    body = ''.join(f'{record.to_line()}\n' for record in records).encode()
    footer = ChunkFooter(
        Counts.of(records),
        hashlib.sha256(body).hexdigest(),
        signature,
        [BrokenImage(r.image_id, r.error) for r in records if r.error is not None],
    )
    tail = f'{canonical_json({"footer": asdict(footer)})}\n'.encode()
    atomic_write_bytes(path, body + tail)
    return footer


def read_chunk(
    path: Path, signature: str
) -> tuple[ChunkFooter, list[ImageRecord]] | None:
    """Verify a chunk and read it.

    Args:
        path (Path): Chunk file.
        signature (str): Digest that the run must have.

    Returns:
        tuple[ChunkFooter, list[ImageRecord]] | None: None if the file is absent, cut
        off, altered, or of another run.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    start = _start_of_last_line(data)
    footer = ChunkFooter.from_line(data[start:])
    if footer is None or footer.signature != signature:
        return None
    if footer.sha256 != hashlib.sha256(data[:start]).hexdigest():
        return None
    lines = data[:start].splitlines()
    return footer, [ImageRecord.from_line(line) for line in lines]


def peek_footer(path: Path, signature: str) -> ChunkFooter | None:
    """Read the footer of a chunk without its results, which are not verified.

    Args:
        path (Path): Chunk file.
        signature (str): Digest that the run must have.

    Returns:
        ChunkFooter | None: None if the file is absent, cut off, or of another run.
    """
    try:
        with path.open('rb') as file:
            footer = ChunkFooter.from_line(_last_line(file))
    except FileNotFoundError:
        return None
    return footer if footer is not None and footer.signature == signature else None


def _last_line(file: BinaryIO) -> bytes:
    size, length = file.seek(0, os.SEEK_END), _TAIL
    while True:
        file.seek(max(0, size - length))
        data = file.read()
        start = _start_of_last_line(data)
        if start or length >= size:
            return data[start:]
        length *= 16


def _start_of_last_line(data: bytes) -> int:
    """Find the last line; a file that does not end with a newline has none."""
    if not data.endswith(b'\n'):
        return len(data)
    return data.rfind(b'\n', 0, len(data) - 1) + 1
