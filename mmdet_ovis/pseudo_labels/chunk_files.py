"""The work list, cut into chunks, and the files that hold their results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from .chunks import ChunkFooter, ImageRecord, peek_footer, read_chunk, write_chunk
from .shards import Shard
from .signature import canonical_json


class WorkList:
    """The images of a job in dataset order, cut into chunks.

    Args:
        image_ids (Sequence[int]): All images, whatever the shard.
        chunk_size (int): Images a chunk.

    Raises:
        ValueError: If there is no image, one stands there twice, or the chunk size is
            not positive.

    Examples:
        >>> work = WorkList([5, 3, 8], chunk_size=2)
        >>> [list(work.positions(chunk)) for chunk in work.chunks()]
        [[0, 1], [2]]
        >>> work.image_ids_of(1)
        [8]
    """

    def __init__(self, image_ids: Sequence[int], chunk_size: int) -> None:
        if not image_ids:
            raise ValueError('there is no image to process')
        if len(set(image_ids)) != len(image_ids):
            raise ValueError('the work list names an image twice')
        if chunk_size < 1:
            raise ValueError(f'chunk_size is a number of images, not {chunk_size}')
        self.image_ids = list(image_ids)
        self.chunk_size = chunk_size

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def ingredients(self) -> dict[str, Any]:
        """What the signature of a run says about its work."""
        ids = canonical_json(self.image_ids).encode()
        return {
            'n_images': len(self.image_ids),
            'ids_sha256': hashlib.sha256(ids).hexdigest(),
            'chunk_size': self.chunk_size,
        }

    def chunks(self, shard: Shard | None = None) -> range:
        """Number the chunks: of a shard, or all of them."""
        n_chunks = -(-len(self.image_ids) // self.chunk_size)
        shard = shard or Shard()
        return range(shard.index, n_chunks, shard.number)

    def chunk_of(self, position: int) -> int:
        """Return the chunk of an image, given its place in the dataset."""
        return position // self.chunk_size

    def positions(self, chunk: int) -> range:
        """Return the places of the images of a chunk in the dataset."""
        start = chunk * self.chunk_size
        return range(start, min(start + self.chunk_size, len(self.image_ids)))

    def image_ids_of(self, chunk: int) -> list[int]:
        """Return the images of a chunk."""
        return [self.image_ids[position] for position in self.positions(chunk)]

    def n_images_of(self, chunks: Iterable[int]) -> int:
        """Count the images of some chunks."""
        return sum(len(self.positions(chunk)) for chunk in chunks)


class ChunkFiles:
    """The files of the chunks of one run.

    Args:
        folder (Path): Where they stand.
        work (WorkList): What they are chunks of.
        signature (str): Digest of the run; files of other runs do not exist.
    """

    def __init__(self, folder: Path, work: WorkList, signature: str) -> None:
        self.folder = folder
        self.work = work
        self.signature = signature

    def path(self, chunk: int) -> Path:
        """Name the file of a chunk."""
        return self.folder / f'chunk-{chunk:06d}.jsonl'

    def write(self, chunk: int, records: Sequence[ImageRecord]) -> ChunkFooter:
        """Write a chunk atomically."""
        return write_chunk(self.path(chunk), records, self.signature)

    def read_footer(self, chunk: int) -> ChunkFooter | None:
        """Verify a chunk; None if it does not exist."""
        content = read_chunk(self.path(chunk), self.signature)
        return None if content is None else content[0]

    def peek_footers(self, chunks: Iterable[int]) -> dict[int, ChunkFooter]:
        """Read the footers of those chunks that exist, without verifying them."""
        # One listing first, which network file systems bring up to date.
        names = {path.name for path in self.folder.glob('chunk-*')}
        footers = {}
        for chunk in chunks:
            path = self.path(chunk)
            footer = peek_footer(path, self.signature) if path.name in names else None
            if footer is not None:
                footers[chunk] = footer
        return footers

    def read(self, chunk: int) -> tuple[ChunkFooter, list[ImageRecord]]:
        """Read a chunk that is there.

        Raises:
            ValueError: If it was altered meanwhile.
        """
        path = self.path(chunk)
        content = read_chunk(path, self.signature)
        ids = self.work.image_ids_of(chunk)
        if content is None or [record.image_id for record in content[1]] != ids:
            raise ValueError(
                f'{path} was altered while the run went on; repeat the command (with '
                'shards, that of its shard) to make it again'
            )
        return content

    def stream(self, file: IO[str]) -> Iterator[ChunkFooter]:
        """Write the lists of all images, chunk by chunk.

        Args:
            file (IO[str]): The output.

        Yields:
            ChunkFooter: Of the chunk that was written.

        Raises:
            ValueError: If a chunk was altered meanwhile.
        """
        file.write('[\n')
        for chunk in self.work.chunks():
            footer, records = self.read(chunk)
            lines = (canonical_json(list(r.annotations)) for r in records)
            file.write(',\n' * (chunk > 0) + ',\n'.join(lines))
            yield footer
        file.write('\n]\n')
