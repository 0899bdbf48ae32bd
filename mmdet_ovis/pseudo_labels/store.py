"""Where a long job keeps its results: resumable, verifiable, atomic.

While a run goes on, ``masks.json.parts/`` holds its signature (``run.json``) and one
file a chunk of 256 images (:mod:`.chunks`). The chunks depend on the order of the
dataset only, so any number of processes gives the same bytes. When every image has a
result, the chunks are streamed into ``masks.json``: a list with one list of
annotations an image, one image a line, in dataset order. ``masks.json.run.json`` then
keeps the signature, and ``masks.json.quarantine.jsonl`` lists the images that could
not be processed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import MMLogger

from ..utils.io import atomic_open
from .chunks import (
    ChunkFooter,
    Counts,
    ImageRecord,
    read_footer,
    read_records,
    write_chunk,
)
from .quarantine import Quarantine
from .run_header import WORK_KEY, RunHeader, header_path
from .signature import RunSignature, canonical_json

CHUNK_SIZE = 256
"""Images a chunk. Fixed, so that all shards and workers cut the work alike."""


class PseudoLabelStore:
    """Results of one job over a list of images.

    Args:
        out (Path): The output, for example ``work_dirs/pa/masks.json``.
        image_ids (Sequence[int]): The work list, in dataset order.
        signature (RunSignature): What the results depend on. The work list and the
            chunk size are added to it.
        chunk_size (int): Images a chunk.
        max_broken (float, optional): Share of the images that may be broken, see
            :class:`.quarantine.Quarantine`.

    Raises:
        ValueError: If the work list is empty or names an image twice.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> out = Path(folder.name, 'masks.json')
        >>> store = PseudoLabelStore(out, [7, 9], RunSignature({'topk': 20}))
        >>> store.open()
        False
        >>> for position in store.pending():
        ...     store.add(position, ImageRecord(store.image_ids[position]))
        >>> store.finalize().n_images
        2
        >>> out.read_text().split()
        ['[', '[],', '[]', ']']
        >>> folder.cleanup()
    """

    def __init__(
        self,
        out: str | Path,
        image_ids: Sequence[int],
        signature: RunSignature,
        chunk_size: int = CHUNK_SIZE,
        max_broken: float | None = None,
    ) -> None:
        if not image_ids:
            raise ValueError('there is no image to process')
        if len(set(image_ids)) != len(image_ids):
            raise ValueError('the work list names an image twice')
        self.out = Path(out)
        self.image_ids = list(image_ids)
        self.chunk_size = chunk_size
        ids = hashlib.sha256(canonical_json(self.image_ids).encode()).hexdigest()
        self.signature = RunSignature(
            {
                **signature.ingredients,
                WORK_KEY: {
                    'n_images': len(self.image_ids),
                    'ids_sha256': ids,
                    'chunk_size': chunk_size,
                },
            }
        )
        self.quarantine = Quarantine(
            self._beside('.quarantine.jsonl'), len(self.image_ids), max_broken
        )
        self._complete = Counts()
        self._footers: dict[int, ChunkFooter] = {}
        self._buffers: dict[int, dict[int, ImageRecord]] = {}

    @property
    def parts_dir(self) -> Path:
        """Folder of the run while it goes on."""
        return self._beside('.parts')

    @property
    def header_file(self) -> Path:
        """Signature and counts of the complete run."""
        return header_path(self.out)

    @property
    def counts(self) -> Counts:
        """What is on disk."""
        return sum((f.counts for f in self._footers.values()), self._complete)

    def open(self, overwrite: bool = False) -> bool:
        """Find out what is there already.

        Args:
            overwrite (bool): Throw away an earlier run, once this one has results.
                Its output stays until the new one replaces it.

        Returns:
            bool: True if this very run is complete, so that nothing is left to do.

        Raises:
            SignatureMismatchError: If a run with other settings stands there.
            ValueError: If the output exists and is not of a run.
        """
        if self.out.is_dir():
            raise ValueError(f'{self.out} is a folder, the output is a file')
        if overwrite:
            return False
        if self.header_file.exists() and self.out.exists():
            return self._open_complete()
        if (self.parts_dir / 'run.json').exists():
            self._open_parts()
        elif self.out.exists():
            raise ValueError(
                f'{self.out} exists, but nothing says which run wrote it; choose '
                'another output or replace it with --overwrite'
            )
        return False

    def pending(self) -> list[int]:
        """List the positions in the dataset that still need a result, in order.

        Images in quarantine are tried again: whoever has repaired them only repeats
        the command.
        """
        positions: list[int] = []
        for chunk in range(self._n_chunks()):
            footer = self._footers.get(chunk)
            if footer is None:
                positions += self._positions(chunk)
            elif footer.counts.n_broken:
                positions += [
                    position
                    for position, record in self._read(chunk).items()
                    if record.error is not None
                ]
        return positions

    def add(self, position: int, record: ImageRecord) -> None:
        """Take the result of one image; the last one of a chunk writes it to disk.

        Args:
            position (int): Place of the image in the dataset.
            record (ImageRecord): Its result.

        Raises:
            ValueError: If the record is of another image.
            TooManyBrokenError: If with this chunk too many images are broken.
        """
        if record.image_id != self.image_ids[position]:
            raise ValueError(
                f'position {position} holds image {self.image_ids[position]}, '
                f'not {record.image_id}'
            )
        chunk = position // self.chunk_size
        if chunk not in self._buffers:
            self._buffers[chunk] = self._finished(chunk)
        buffer = self._buffers[chunk]
        buffer[position] = record
        if len(buffer) == len(self._positions(chunk)):
            self._write(chunk, self._buffers.pop(chunk))

    def finalize(self) -> Counts:
        """Stream the chunks into the output, in constant memory.

        Returns:
            Counts: Over all images.

        Raises:
            ValueError: If results are missing, or a chunk was altered meanwhile.
        """
        missing = len(self.image_ids) - self.counts.n_images
        if missing:
            raise ValueError(f'{self.out}: {missing} images have no result yet')
        with atomic_open(self.out) as file:
            file.write('[\n')
            for chunk in range(self._n_chunks()):
                records = self._verified(chunk)
                lines = (canonical_json(list(r.annotations)) for r in records)
                file.write(',\n' * (chunk > 0) + ',\n'.join(lines))
            file.write('\n]\n')
        header = RunHeader(self.signature, self.counts, self.out.stat().st_size)
        header.save(self.header_file)
        self.quarantine.save()
        shutil.rmtree(self.parts_dir)
        return self.counts

    def _beside(self, suffix: str) -> Path:
        return self.out.with_name(self.out.name + suffix)

    def _n_chunks(self) -> int:
        return -(-len(self.image_ids) // self.chunk_size)

    def _positions(self, chunk: int) -> range:
        start = chunk * self.chunk_size
        return range(start, min(start + self.chunk_size, len(self.image_ids)))

    def _chunk_file(self, chunk: int) -> Path:
        return self.parts_dir / f'chunk-{chunk:06d}.jsonl'

    def _begin(self) -> None:
        """Claim the folder; not before there is a result, which could be mistaken."""
        shutil.rmtree(self.parts_dir, ignore_errors=True)
        RunHeader(self.signature).save(self.parts_dir / 'run.json')
        self.header_file.unlink(missing_ok=True)
        self.quarantine.path.unlink(missing_ok=True)

    def _open_complete(self) -> bool:
        header = RunHeader.load(self.header_file)
        self.signature.check_same(header.signature, self.out)
        header.check_output(self.out)
        self._complete = header.counts
        # A kill between the last two steps of finalize leaves the folder.
        shutil.rmtree(self.parts_dir, ignore_errors=True)
        return True

    def _open_parts(self) -> None:
        header = RunHeader.load(self.parts_dir / 'run.json')
        self.signature.check_same(header.signature, self.parts_dir)
        for chunk in range(self._n_chunks()):
            path = self._chunk_file(chunk)
            footer = read_footer(path, self.signature.digest)
            if footer is not None:
                self._footers[chunk] = footer
            elif path.exists():
                MMLogger.get_current_instance().warning(
                    '%s is damaged and will be made again', path
                )

    def _read(self, chunk: int) -> dict[int, ImageRecord]:
        records = read_records(self._chunk_file(chunk))
        return dict(zip(self._positions(chunk), records, strict=True))

    def _finished(self, chunk: int) -> dict[int, ImageRecord]:
        """Return the good results of a chunk that is written again."""
        if chunk not in self._footers:
            return {}
        records = self._read(chunk)
        return {pos: record for pos, record in records.items() if record.error is None}

    def _write(self, chunk: int, buffer: dict[int, ImageRecord]) -> None:
        if not self._footers:
            self._begin()
        records = [buffer[position] for position in self._positions(chunk)]
        self._footers[chunk] = write_chunk(
            self._chunk_file(chunk), records, self.signature.digest
        )
        for record in records:
            if record.error is not None:
                self.quarantine.add(record.image_id, record.error)
        if self._footers[chunk].counts.n_broken:
            self.quarantine.save()
            self.quarantine.check()

    def _verified(self, chunk: int) -> list[ImageRecord]:
        path = self._chunk_file(chunk)
        ids = [self.image_ids[position] for position in self._positions(chunk)]
        if read_footer(path, self.signature.digest) is not None:
            records = read_records(path)
            if [record.image_id for record in records] == ids:
                return records
        raise ValueError(
            f'{path} was altered while the run went on; repeat the command to make it '
            'again'
        )
