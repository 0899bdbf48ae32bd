"""Whatever is wrong with an archive of arrays, one sentence says so."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest

from mmdet_ovis.utils.npz import load_npz


def save(path, **changes):
    np.savez_compressed(path, a=np.arange(500) % 7, b=np.ones((2, 3)), **changes)
    return path


def load(path):
    return load_npz(path, 'box of numbers', ('b', 'a'), 'make_box.py makes one')


def test_arrays_come_by_name(tmp_path):
    found = load(save(tmp_path / 'x.npz', c=np.array([{}])))  # c is left alone
    assert list(found) == ['b', 'a']
    assert found['a'].sum() == sum(i % 7 for i in range(500))
    assert found['b'].shape == (2, 3)


def refused(path):
    with pytest.raises(
        ValueError, match=r'x\.npz is not a box of numbers .+; make_box\.py makes one$'
    ) as caught:
        load(path)
    assert '\n' not in str(caught.value)


def test_missing_files_and_arrays_are_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r'^no such box of numbers: .*x\.npz; make_box\.py'
    ):
        load(tmp_path / 'x.npz')
    with pytest.raises(FileNotFoundError, match='no such box of numbers'):
        load(tmp_path)
    np.savez(tmp_path / 'x.npz', b=np.ones(1))
    with pytest.raises(ValueError, match=r'is not a box of numbers: it has no a; make'):
        load(tmp_path / 'x.npz')


@pytest.mark.parametrize('data', [b'', b'no zip', b'PK\x03\x04', b'\x80\x03K.'])
def test_what_is_no_archive(tmp_path, data):
    (tmp_path / 'x.npz').write_bytes(data)
    refused(tmp_path / 'x.npz')


def test_a_single_array_is_no_archive(tmp_path):
    with (tmp_path / 'x.npz').open('wb') as file:
        np.save(file, np.ones(3))
    refused(tmp_path / 'x.npz')


def test_pickled_objects(tmp_path):
    np.savez(tmp_path / 'x.npz', a=np.array([{}]), b=np.ones(1))
    refused(tmp_path / 'x.npz')


def header_at(data: bytes) -> int:
    """Where the first entry of the list at the end of an archive begins."""
    return data.index(b'PK\x01\x02')


def test_streams_that_do_not_unpack(tmp_path):
    """Both in the packed data: zlib's own complaint, and a sum that does not fit."""
    path = save(tmp_path / 'x.npz')
    data = bytearray(path.read_bytes())
    start = 30 + sum(struct.unpack('<HH', data[26:30]))
    data[start] = 0xFF  # no kind of block
    path.write_bytes(data)
    refused(path)


@pytest.mark.parametrize(('method', 'flags'), [(99, 0), (8, 1)])
def test_unknown_compressions_and_passwords(tmp_path, method, flags):
    path = save(tmp_path / 'x.npz')
    data = bytearray(path.read_bytes())
    for place in (0, header_at(data) + 2):
        data[place + 6 : place + 10] = struct.pack('<HH', flags, method)
    path.write_bytes(data)
    refused(path)


def npy(header: str) -> bytes:
    text = header.encode().ljust(117) + b'\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text


@pytest.mark.parametrize(
    'header',
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,)}",
        f"{{'descr': '<f8', 'fortran_order': False, 'shape': (9, {10**30})}}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': ('a',)}",
        "{'descr': (1, 2), 'fortran_order': False, 'shape': (3,)}",
        '{',
        "'''",
        '3',
    ],
)
def test_headers_that_lie(tmp_path, header):
    path = tmp_path / 'x.npz'
    with zipfile.ZipFile(path, 'w') as archive:
        for name in ('a.npy', 'b.npy'):
            archive.writestr(name, npy(header))
    refused(path)


def test_any_damage_ends_in_one_error(tmp_path):
    """Bytes changed one after the other: the arrays come, or the error that says so."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.arange(20), b=np.ones((2, 3)))
    whole = buffer.getvalue()
    path = tmp_path / 'x.npz'
    rng = np.random.default_rng(0)
    n_refused = 0
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= int(rng.integers(1, 256))
        path.write_bytes(data)
        try:
            assert list(load(path)) == ['b', 'a']
        except ValueError as error:
            assert 'is not a box of numbers' in str(error)  # noqa: PT017
            n_refused += 1
    assert n_refused > len(whole) // 2
