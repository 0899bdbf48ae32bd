"""The folder of a run while it goes on, and who is at work in it.

Every process of a run holds the lock of its shard for as long as it lives, and the
guard for the short moments in which a run begins, starts over or becomes complete.
Both are files in the folder, and both are freed when their process dies. The folder
goes when nothing in it is worth keeping and nobody is at work any more; whoever leaves
last sees to it.
"""

from __future__ import annotations

import errno
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmengine.logging import MMLogger

from ..utils.lock import FileLock, LockHolder
from .shards import Shard

GUARD_NAME = 'guard.lock'
HEADER_NAME = 'run.json'
PATIENCE = 2.0
"""Seconds to wait for the guard without a word."""

_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)


class OutputInUseError(ValueError):
    """Another process is at work on the same output."""


@dataclass(frozen=True)
class Worker:
    """Another process that is at work.

    Args:
        shard (Shard): On what.
        holder (LockHolder): Which process; its note is the digest of its run.
    """

    shard: Shard
    holder: LockHolder


class RunFolder:
    """``masks.json.parts``, shared by all processes of a run.

    Args:
        out (Path): The output of the run.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out.with_name(f'{out.name}.parts')
        self._claim: FileLock | None = None
        self._discarded = False

    @property
    def header_file(self) -> Path:
        """Which run the folder belongs to."""
        return self.path / HEADER_NAME

    @property
    def is_claimed(self) -> bool:
        """Whether this process has a shard."""
        return self._claim is not None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Keep other processes from changing the state of the run meanwhile.

        Raises:
            OSError: If the folder cannot be made; the message names the output.
        """
        lock = self._enter()
        try:
            yield
        finally:
            self._leave(lock)

    def claim(self, shard: Shard, note: str, overwrite: bool = False) -> None:
        """Take a shard for as long as this process lives; under the guard.

        Args:
            shard (Shard): Which one.
            note (str): Digest of the run, for others to compare.
            overwrite (bool): Whether the shard is started over.

        Raises:
            OutputInUseError: If another process has it, or is at work on a run with
                other settings or on what would be thrown away. Nothing is changed.
        """
        for worker in self.workers():
            if worker.shard == shard:
                reason = ''
            elif worker.holder.note != note:
                reason = ', which has other settings'
            elif overwrite and worker.shard.number != shard.number:
                reason = ', which would lose what --overwrite throws away'
            else:
                continue
            raise self._in_use(worker.shard, worker.holder, reason)
        lock = FileLock(self.path / shard.lock_name)
        if not lock.acquire(note):
            raise self._in_use(shard, lock.holder(), '')
        self._claim = lock

    def release(self) -> None:
        """Give the shard back; under the guard."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def workers(self) -> list[Worker]:
        """List the other processes that are at work; under the guard."""
        found = []
        for path in sorted(self.path.glob('shard-*.lock')):
            if self._claim is not None and path == self._claim.path:
                continue
            lock = FileLock(path)
            if lock.acquire():
                lock.release()  # what a kill has left
            else:
                found.append(Worker(Shard.of_lock(path.name), lock.holder()))
        return found

    def discard(self) -> None:
        """Nothing here is worth keeping: remove all when nobody is at work."""
        self._discarded = True

    def _in_use(self, shard: Shard, holder: LockHolder, why: str) -> OutputInUseError:
        what = self.out if shard.number == 1 else f'{shard} of {self.out}'
        return OutputInUseError(
            f'{what} is being worked on by {holder}{why}; nothing was changed. Wait '
            'for it or end it and repeat the command, or choose another output'
        )

    def _enter(self) -> FileLock:
        lock = FileLock(self.path / GUARD_NAME)
        while True:
            try:
                self._make()
                if not _acquire_soon(lock):
                    MMLogger.get_current_instance().info(
                        'waiting for %s, which is busy with %s', lock.holder(), self.out
                    )
                    lock.acquire(wait=True)
            except FileNotFoundError:
                continue  # somebody has just removed the folder
            return lock

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if isinstance(error, FileExistsError) and not self._is_blocked():
                return
            message = f'cannot write {self.out}: {error.strerror}'
            raise OSError(error.errno, message) from None

    def _is_blocked(self) -> bool:
        """Tell another thing of this name from a folder that has just been removed."""
        try:
            return not stat.S_ISDIR(self.path.lstat().st_mode)
        except FileNotFoundError:
            return False

    def _leave(self, lock: FileLock) -> None:
        done = False
        try:
            kept = self.header_file.exists() and not self._discarded
            if not (kept or self._claim is not None or self.workers()):
                for path in self.path.iterdir():
                    if path != lock.path:
                        path.unlink(missing_ok=True)
                done = True
        finally:
            lock.release(remove=done)
        # After the guard: a network file system keeps the name of an open file.
        if done:
            self._remove()

    def _remove(self) -> None:
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in _NOT_EMPTY:  # else somebody has come in
                raise


def _acquire_soon(lock: FileLock) -> bool:
    """Try for a while: nearly always it is given back within milliseconds."""
    end = time.monotonic() + PATIENCE
    while not lock.acquire():
        if time.monotonic() >= end:
            return False
        time.sleep(PATIENCE / 100)
    return True


def remove_leftovers(out: Path) -> None:
    """Remove what a kill has left of a complete run, unless somebody is at work."""
    folder = RunFolder(out)
    if folder.path.is_dir():
        with folder.guard():
            folder.discard()
