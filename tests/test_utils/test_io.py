import errno
import json
import multiprocessing
import os
import resource
import signal

import pytest

from mmdet_ovis.utils.io import (
    atomic_open,
    atomic_write_bytes,
    atomic_write_json,
    read_json,
)


def test_round_trip_makes_folders(tmp_path):
    path = tmp_path / 'a' / 'b.json'
    atomic_write_json(path, {'x': [1, 2]})
    assert read_json(path) == {'x': [1, 2]}
    assert [p.name for p in path.parent.iterdir()] == ['b.json']


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / 'file.txt'
    path.write_text('old')

    def write_half():
        with atomic_open(path) as file:
            file.write('new')
            raise RuntimeError('stop')

    with pytest.raises(RuntimeError, match='stop'):
        write_half()
    assert path.read_text() == 'old'
    assert [p.name for p in tmp_path.iterdir()] == ['file.txt']


def test_nan_is_refused(tmp_path):
    with pytest.raises(ValueError, match='JSON'):
        atomic_write_json(tmp_path / 'x.json', float('nan'))
    assert not list(tmp_path.iterdir())


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'missing\.json'):
        read_json(tmp_path / 'missing.json')
    broken = tmp_path / 'broken.json'
    broken.write_text(json.dumps({'a': [1, 2, 3]})[:-3])
    with pytest.raises(ValueError, match=r'broken\.json is not valid JSON.*line 1'):
        read_json(broken)
    binary = tmp_path / 'binary.json'
    binary.write_bytes(b'\xff\xfe\x00\x80')
    with pytest.raises(ValueError, match=r'binary\.json is not a JSON text file'):
        read_json(binary)


def test_destination_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError, match=r'out\.json'):
        atomic_write_json(tmp_path / 'file' / 'out.json', 1)


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'file.json'
    path.write_text('old')

    def no_space(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', no_space)
    with pytest.raises(OSError, match=r'cannot write .*file\.json: No space left') as e:
        atomic_write_json(path, [1])
    assert e.value.errno == errno.ENOSPC
    assert path.read_text() == 'old'
    assert [p.name for p in tmp_path.iterdir()] == ['file.json']


def _write_beyond_the_limit(path, messages):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        atomic_write_bytes(path, b'x' * 2000)
    except OSError as error:
        messages.send(str(error))


def test_the_system_itself_may_refuse_to_write_on(tmp_path):
    """A limit of the file size stands for a disk that fills up while a file grows."""
    context = multiprocessing.get_context('fork')
    receive, send = context.Pipe(duplex=False)
    path = tmp_path / 'file'
    process = context.Process(target=_write_beyond_the_limit, args=(path, send))
    process.start()
    process.join()
    assert receive.poll()
    assert f'cannot write {path}: File too large' in receive.recv()
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_body_is_not_taken_for_one_of_writing(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r'^\[Errno 2\].*missing\.txt'),
        atomic_open(tmp_path / 'out'),
    ):
        (tmp_path / 'missing.txt').read_text()
    with (
        pytest.raises(ChildProcessError, match=r'^a worker died$'),
        atomic_open(tmp_path / 'out'),
    ):
        raise ChildProcessError('a worker died')
    assert not list(tmp_path.iterdir())


def test_meanwhile_the_file_may_stand_in_another_folder(tmp_path):
    folder = tmp_path / 'meanwhile'
    folder.mkdir()
    path = tmp_path / 'out' / 'file'
    with atomic_open(path, temporary_dir=folder) as file:
        file.write('new')
        assert len(list(folder.iterdir())) == 1
        assert not list(path.parent.iterdir())
    assert path.read_text() == 'new'
    assert not list(folder.iterdir())
