"""Locks that die with their process, on files that come and go."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import signal
import threading

import pytest
from mmengine.logging import MMLogger

from mmdet_ovis.utils import lock as lock_module
from mmdet_ovis.utils.lock import FileLock, LockHolder

fork = multiprocessing.get_context('fork')


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'x.lock'


def test_one_holds_it_and_the_other_learns_who(path):
    first, second = FileLock(path), FileLock(path)
    assert first.acquire('run 7')
    assert not second.acquire()
    holder = second.holder()
    assert (holder.pid, holder.note) == (os.getpid(), 'run 7')
    assert str(holder) == f'process {os.getpid()} on {holder.host}'
    first.release()
    assert not path.exists()
    assert second.acquire()
    second.release(remove=False)
    assert path.exists()
    second.release()  # nothing to give back
    assert path.exists()


def test_whoever_is_unknown_is_not_named(path):
    assert FileLock(path).holder() == LockHolder()
    path.write_text('{"pid"')  # just being written
    assert str(FileLock(path).holder()) == 'another process'


def _hold(path, ready):
    FileLock(path).acquire('killed')
    ready.send(True)
    signal.pause()


def test_it_dies_with_its_process(path):
    receive, send = fork.Pipe(duplex=False)
    process = fork.Process(target=_hold, args=(path, send))
    process.start()
    receive.recv()
    lock = FileLock(path)
    assert not lock.acquire()
    assert lock.holder() == LockHolder(process.pid, lock.holder().host, 'killed')
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert path.exists()
    assert lock.acquire('mine')
    assert lock.holder().note == 'mine'
    lock.release()


@pytest.mark.parametrize('again', [False, True], ids=['removed', 'made again'])
def test_a_file_that_was_removed_before_it_was_locked_does_not_count(
    path, monkeypatch, again
):
    """The holder removes the file, then lets go: its inode is nobody's any more."""
    flock, calls = lock_module.fcntl.flock, []

    def remove_first(descriptor, how):
        calls.append(how)
        if len(calls) == 1:
            path.unlink()
            if again:
                path.write_text('')
        return flock(descriptor, how)

    monkeypatch.setattr(lock_module.fcntl, 'flock', remove_first)
    lock = FileLock(path)
    assert lock.acquire()
    assert len(calls) == 2
    assert not FileLock(path).acquire()
    lock.release()


def test_a_stale_handle_of_a_network_file_system_is_a_removed_file(path, monkeypatch):
    fstat, calls = os.fstat, []

    def stale_first(descriptor):
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.ESTALE, 'Stale file handle')
        return fstat(descriptor)

    monkeypatch.setattr(os, 'fstat', stale_first)
    lock = FileLock(path)
    assert lock.acquire()
    assert len(calls) == 2
    lock.release()


def test_waiting_ends_when_it_is_given_back(path):
    first, second = FileLock(path), FileLock(path)
    first.acquire()
    waiting = threading.Thread(target=second.acquire, kwargs={'wait': True})
    waiting.start()
    assert waiting.is_alive()
    first.release()
    waiting.join(10)
    assert not waiting.is_alive()
    assert not first.acquire()
    second.release()


def test_without_locks_there_is_a_warning_once(path, monkeypatch):
    def none(descriptor, how):
        raise OSError(errno.ENOSYS, 'Function not implemented')

    monkeypatch.setattr(lock_module.fcntl, 'flock', none)
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    MMLogger.get_current_instance().addHandler(handler)
    try:
        assert FileLock(path).acquire()
        assert FileLock(path).acquire()
    finally:
        MMLogger.get_current_instance().removeHandler(handler)
    (line,) = lines
    assert f'there are no file locks in {path.parent}' in line


def test_what_cannot_be_locked_or_written_is_an_error(path, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        FileLock(tmp_path / 'nowhere' / 'x.lock').acquire()

    def fail(number):
        def call(*args):
            raise OSError(number, os.strerror(number))

        return call

    with monkeypatch.context() as patch:
        patch.setattr(lock_module.fcntl, 'flock', fail(errno.EIO))
        with pytest.raises(OSError, match='Input/output error'):
            FileLock(path).acquire()
    with monkeypatch.context() as patch:
        patch.setattr(os, 'write', fail(errno.ENOSPC))
        with pytest.raises(OSError, match=r'cannot write .*x\.lock: No space left'):
            FileLock(path).acquire()
    lock = FileLock(path)
    assert lock.acquire()  # nothing is left locked
    lock.release()
