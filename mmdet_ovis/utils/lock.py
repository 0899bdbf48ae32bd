"""A lock on a file that the system frees when its process dies, however it dies.

Lock files have to go when a job is complete, and they name their holder. Libraries
such as ``filelock`` differ between versions in just that: whether somebody who waits
empties the file, and what becomes of a file that was removed between ``open`` and
``flock``.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from mmengine.logging import MMLogger

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None

_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class LockHolder:
    """The process that holds a lock.

    Args:
        pid (int): Its number; 0 if unknown.
        host (str): The machine it runs on.
        note (str): What it said when it took the lock.
    """

    pid: int = 0
    host: str = ''
    note: str = ''

    def __str__(self) -> str:
        return f'process {self.pid} on {self.host}' if self.pid else 'another process'


class FileLock:
    """An exclusive lock, held through an open file.

    Two objects exclude each other in one process as well.

    Args:
        path (str | Path): The lock file; made where it is missing.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first, second = FileLock(f'{folder}/x'), FileLock(f'{folder}/x')
        ...     taken = first.acquire(), second.acquire()
        ...     first.release()
        ...     again = second.acquire()
        ...     second.release()
        >>> taken, again
        ((True, False), True)
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self._descriptor: int | None = None

    def acquire(self, note: str = '', wait: bool = False) -> bool:
        """Take the lock.

        Args:
            note (str): Told to whoever finds the lock taken.
            wait (bool): Wait for it. Defaults to False.

        Returns:
            bool: False if somebody else holds it.

        Raises:
            FileNotFoundError: If the folder is missing.
            OSError: If the file cannot be opened.
        """
        while self._descriptor is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                if not _lock(descriptor, self.path, wait):
                    return False
                # Whoever held it may have removed the file before it let go; what is
                # locked then is a file that nobody else will ever open.
                if _leads_to(self.path, descriptor):
                    self._write_holder(descriptor, note)
                    self._descriptor = descriptor
            finally:
                if self._descriptor is None:
                    os.close(descriptor)
        return True

    def release(self, remove: bool = True) -> None:
        """Give the lock back; nothing happens if it is not held.

        Args:
            remove (bool): Remove the file too. Defaults to True.
        """
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            if remove:
                self.path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def holder(self) -> LockHolder:
        """Read who took the lock last."""
        try:
            return LockHolder(**json.loads(self.path.read_text(encoding='utf-8')))
        except (FileNotFoundError, ValueError, TypeError):
            return LockHolder()  # gone, or just being written

    def _write_holder(self, descriptor: int, note: str) -> None:
        holder = LockHolder(os.getpid(), socket.gethostname(), note)
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(asdict(holder)).encode())
        except OSError as error:
            message = f'cannot write {self.path}: {error.strerror}'
            raise OSError(error.errno, message) from None


def _lock(descriptor: int, path: Path, wait: bool) -> bool:
    if fcntl is None:
        _warn_of_no_locks(path.parent)
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno not in _NO_LOCKS:
            raise
        _warn_of_no_locks(path.parent)
    return True


@lru_cache
def _warn_of_no_locks(folder: Path) -> None:
    """Say it once; cluster file systems may be mounted without locks."""
    MMLogger.get_current_instance().warning(
        'there are no file locks in %s: nothing keeps a second process from the same '
        'work, so see to it that every shard is started once only',
        folder,
    )


def _leads_to(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno != errno.ESTALE:  # how NFS says it
            raise
        return False
