import json

import pytest

from mmdet_ovis.utils.io import atomic_open, atomic_write_json, read_json


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
