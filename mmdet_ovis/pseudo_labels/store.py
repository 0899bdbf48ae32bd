"""Where a long job keeps its results: resumable, verifiable, atomic, shared.

While a run goes on, ``masks.json.parts/`` holds its signature (``run.json``), one file
a chunk of 256 images (:mod:`.chunks`) and the locks of those who are at work
(:mod:`.run_folder`). The chunks depend on the order of the dataset only, so any number
of processes gives the same bytes; shard I of N owns the chunks c with c % N == I. When
every image has a result, whoever finds that out streams the chunks into ``masks.json``:
a list with one list of annotations an image, one image a line, in dataset order.
``masks.json.run.json`` then keeps the signature, and ``masks.json.quarantine.jsonl``
lists the images that could not be processed. A job that looks for words also has
``masks.json.dropped.jsonl``: each word of which nothing was made, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from mmengine.logging import MMLogger

from ..utils.io import atomic_open
from .chunk_files import ChunkFiles, WorkList
from .chunks import ChunkFooter, Counts, ImageRecord
from .quarantine import BrokenImage, Quarantine
from .run_folder import RunFolder
from .run_header import WORK_KEY, RunHeader, header_path
from .run_state import RunState
from .shards import Shard
from .signature import RunSignature, canonical_json

CHUNK_SIZE = 256
"""Images a chunk. Fixed, so that all shards and workers cut the work alike."""


class PseudoLabelStore:
    """Results of one job over a list of images.

    It is a context manager: leaving it gives the shard back to other processes.

    Args:
        out (Path): The output, for example ``work_dirs/pa/masks.json``.
        image_ids (Sequence[int]): The work list of all shards, in dataset order.
        signature (RunSignature): What the results depend on. The work list and the
            chunk size are added to it.
        chunk_size (int): Images a chunk.
        max_broken (float, optional): Share of the images that may be broken, see
            :class:`.quarantine.Quarantine`.
        shard (Shard): The part of the work that this process does. Defaults to all.

    Raises:
        ValueError: If the work list is empty or names an image twice.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> out = Path(folder.name, 'masks.json')
        >>> with PseudoLabelStore(out, [7, 9], RunSignature({'topk': 20})) as store:
        ...     print(store.open())
        ...     for position in store.pending():
        ...         store.add(position, ImageRecord(store.image_ids[position]))
        ...     print(store.finalize().n_images)
        False
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
        shard: Shard | None = None,
    ) -> None:
        self.out = Path(out)
        self.shard = shard or Shard()
        self._work = WorkList(image_ids, chunk_size)
        self.signature = RunSignature(
            {**signature.ingredients, WORK_KEY: self._work.ingredients}
        )
        self.quarantine = Quarantine(
            self.out.with_name(f'{self.out.name}.quarantine.jsonl'),
            len(self._work),
            max_broken,
        )
        self._folder = RunFolder(self.out)
        self._state = RunState(self.out, self.signature, self._folder.header_file)
        self._files = ChunkFiles(self._folder.path, self._work, self.signature.digest)
        self._overwrite = False
        self._begun = False
        self._complete: Counts | None = None
        self._footers: dict[int, ChunkFooter] = {}
        self._buffers: dict[int, dict[int, ImageRecord]] = {}

    def __enter__(self) -> PseudoLabelStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def parts_dir(self) -> Path:
        """Folder of the run while it goes on."""
        return self._folder.path

    @property
    def dropped_file(self) -> Path:
        """What was searched for in vain, one a line; there is none without any."""
        return self.out.with_name(f'{self.out.name}.dropped.jsonl')

    @property
    def header_file(self) -> Path:
        """Signature and counts of the complete run."""
        return header_path(self.out)

    @property
    def image_ids(self) -> list[int]:
        """The work list of all shards."""
        return self._work.image_ids

    @property
    def n_owned(self) -> int:
        """Images of this shard."""
        return self._work.n_images_of(self._work.chunks(self.shard))

    @property
    def own_counts(self) -> Counts:
        """What is on disk, of this shard."""
        return _total(self._footers.values())

    @property
    def own_broken(self) -> list[BrokenImage]:
        """Images of this shard that could not be processed."""
        return _broken(self._footers.values())

    @property
    def counts(self) -> Counts:
        """What is on disk, of all shards."""
        if self._complete is not None:
            return self._complete
        return _total(self._all_footers().values())

    def open(self, overwrite: bool = False) -> bool:
        """Find out what is there already, and take the shard.

        Args:
            overwrite (bool): Start this shard over, and throw away an earlier run with
                other settings, once there are results. Its output stays until the new
                one replaces it.

        Returns:
            bool: True if this very run is complete, so that nothing is left to do.

        Raises:
            SignatureMismatchError: If a run with other settings stands there.
            OutputInUseError: If another process is at work on the shard, or in a way
                that does not go together with this one.
            ValueError: If the output exists and is not of a run.
        """
        if self.out.is_dir():
            raise ValueError(f'{self.out} is a folder, the output is a file')
        self._overwrite = overwrite
        with self._folder.guard():
            if not overwrite:
                self._complete = self._state.find_complete()
                if self._complete is not None:
                    self._folder.discard()
                    return True
                self._state.check_parts()
            self._folder.claim(self.shard, self.signature.digest, overwrite)
        if not overwrite and self._folder.header_file.exists():
            self._load_footers()
        return False

    def pending(self) -> list[int]:
        """List the positions of this shard that still need a result, in order.

        Images in quarantine are tried again: whoever has repaired them only repeats
        the command.
        """
        positions: list[int] = []
        for chunk in self._work.chunks(self.shard):
            footer = self._footers.get(chunk)
            broken = {image.image_id for image in footer.broken} if footer else ()
            positions += [
                position
                for position in self._work.positions(chunk)
                if footer is None or self.image_ids[position] in broken
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
        chunk = self._work.chunk_of(position)
        if chunk not in self._buffers:
            self._buffers[chunk] = self._finished(chunk)
        buffer = self._buffers[chunk]
        buffer[position] = record
        positions = self._work.positions(chunk)
        if len(buffer) == len(positions):
            del self._buffers[chunk]
            self._write(chunk, [buffer[position] for position in positions])

    @contextmanager
    def completing(self) -> Iterator[Counts | None]:
        """Write the output of all shards, in constant memory, if nothing is missing.

        The run counts as complete when the context ends, so that files which belong to
        it can be written within.

        Yields:
            Counts | None: Over all images; None if other shards lack results, which
            is for them to complete.

        Raises:
            ValueError: If results of this shard are missing, or a chunk was altered
                meanwhile.
            TooManyBrokenError: If too many images are broken, over all shards.
        """
        with self._folder.guard():
            if self._state.is_complete():
                self._complete = self._state.find_complete()
                yield self._complete
                return
            present = self._all_footers()
            missing = [chunk for chunk in self._work.chunks() if chunk not in present]
            if any(map(self.shard.owns, missing)):
                n_missing = self._work.n_images_of(missing)
                raise ValueError(f'{self.out}: {n_missing} images have no result yet')
            if missing:
                yield None
                return
            header = self._write_output()
            yield header.counts
            header.save(self.header_file, self.parts_dir)
            self._complete = header.counts

    def finalize(self) -> Counts | None:
        """Complete the run, see :meth:`completing`."""
        with self.completing() as counts:
            return counts

    def close(self) -> None:
        """Give the shard back, and remove what nobody needs any more."""
        if not self._folder.is_claimed:
            return
        with self._folder.guard():
            self._folder.release()
            # Perhaps another process has completed the run and could not remove the
            # folder, because this one was still at work.
            if self._state.is_complete():
                self._folder.discard()

    def _load_footers(self) -> None:
        """Verify the chunks of this shard that are there already."""
        for chunk in self._work.chunks(self.shard):
            footer = self._files.read_footer(chunk)
            if footer is not None:
                self._footers[chunk] = footer
            elif self._files.path(chunk).exists():
                MMLogger.get_current_instance().warning(
                    '%s is damaged and will be made again', self._files.path(chunk)
                )

    def _all_footers(self) -> dict[int, ChunkFooter]:
        """Own chunks as they were verified or written, those of others as they are."""
        others = [c for c in self._work.chunks() if not self.shard.owns(c)]
        found = self._files.peek_footers(others) if others else {}
        return dict(sorted({**found, **self._footers}.items()))

    def _finished(self, chunk: int) -> dict[int, ImageRecord]:
        """Return the good results of a chunk that is written again."""
        if chunk not in self._footers:
            return {}
        _, records = self._files.read(chunk)
        positions = self._work.positions(chunk)
        return {
            position: record
            for position, record in zip(positions, records, strict=True)
            if record.error is None
        }

    def _write(self, chunk: int, records: Sequence[ImageRecord]) -> None:
        if not self._begun:
            self._begin()
            self._begun = True
        before = self._footers.get(chunk)
        after = self._footers[chunk] = self._files.write(chunk, records)
        if after.broken or (before is not None and before.broken):
            with self._folder.guard():
                self.quarantine.replace(_broken(self._all_footers().values()))
                self.quarantine.save(self.parts_dir)
            self.quarantine.check()

    def _begin(self) -> None:
        """Claim the folder; not before there is a result, which could be mistaken."""
        own = [self._files.path(chunk) for chunk in self._work.chunks(self.shard)]
        with self._folder.guard():
            if self._state.begin(self._overwrite, own):
                self.quarantine.path.unlink(missing_ok=True)
                self.dropped_file.unlink(missing_ok=True)

    def _write_output(self) -> RunHeader:
        with atomic_open(self.out, temporary_dir=self.parts_dir) as file:
            footers = list(self._files.stream(file))
            self.quarantine.replace(_broken(footers))
            self.quarantine.save(self.parts_dir)
            self.quarantine.check()
        counts = _total(footers)
        self._write_dropped(counts)
        return RunHeader(self.signature, counts, self.out.stat().st_size)

    def _write_dropped(self, counts: Counts) -> None:
        if not counts.dropped:
            self.dropped_file.unlink(missing_ok=True)
            return
        with atomic_open(self.dropped_file, temporary_dir=self.parts_dir) as file:
            for chunk in self._work.chunks():
                for record in self._files.read(chunk)[1]:
                    for item in record.dropped:
                        entry = {'image_id': record.image_id, **item}
                        file.write(f'{canonical_json(entry)}\n')


def _total(footers: Iterable[ChunkFooter]) -> Counts:
    return sum((footer.counts for footer in footers), Counts())


def _broken(footers: Iterable[ChunkFooter]) -> list[BrokenImage]:
    return [image for footer in footers for image in footer.broken]
