"""Pickles of the original are read, and nothing is run."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmdet_ovis.pseudo_labels.proposals.array_pickle import load_array_pickle
from mmdet_ovis.pseudo_labels.proposals.upstream_pickle import (
    UpstreamPickleProposals,
    read_upstream_proposals,
    read_upstream_pseudo_labels,
)

SAMPLES = [
    ('cat', [166, 386, 245, 490], 35.19, 8),
    ('couch', [2, 243, 304, 479], 31.26, 24),
    ('knife', [52, 319, 529, 361], 63.32, 11),
    ('cow', [84, 91, 550, 446], 54.23, 148),
    ('dog', [118, 241, 412, 382], 41.51, 60),
    ('cat', [82, 14, 440, 461], 44.31, 17),
    ('sink', [58, 443, 145, 494], 35.99, 2),
    ('cake', [251, 121, 440, 307], 17.41, 48),
]
"""Class, box, score and number of polygons of what the original ships."""

PROTOCOLS = range(6)


def dump(path: Path, content: object, protocol: int = 3) -> Path:
    """Pickle as NumPy 1 names things where the protocol allows to rename them."""
    data = pickle.dumps(content, protocol)
    if protocol < 4:
        data = data.replace(b'numpy._core', b'numpy.core')
    path.write_bytes(data)
    return path


@pytest.mark.parametrize('protocol', PROTOCOLS)
@pytest.mark.parametrize('sample', SAMPLES, ids=lambda sample: sample[0])
def test_case_13_pseudo_labels(tmp_path, sample, protocol):
    name, box, score, number = sample
    polygons = [[box[0], box[1], box[2], box[1], box[2], box[3]]] * number
    path = dump(
        tmp_path / 'x_pseudo_label.pkl',
        [(name, box, np.float64(score), polygons)],
        protocol,
    )
    (label,) = read_upstream_pseudo_labels(path)
    assert (label.name, label.box, label.score) == (name, tuple(box), score)
    assert len(label.polygons) == number
    assert label.polygons[0] == polygons[0]


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_case_13_proposals(tmp_path, protocol):
    classes = [
        np.array([[1, 2, 3, 4, 0.5]], np.float32),
        np.zeros((0, 5), np.float32),
        np.asfortranarray(np.arange(10, dtype='>f8').reshape(2, 5)),
    ]
    path = dump(tmp_path / 'a.pkl', classes, protocol)
    dump(tmp_path / 'a_info.pkl', {'ori_shape': (30, 40, 3), 'x': 'y'}, protocol)
    boxes, size = read_upstream_proposals(path)
    assert boxes.tolist() == [[1, 2, 3, 4], [0, 1, 2, 3], [5, 6, 7, 8]]
    assert boxes.dtype == np.float32
    assert size == (30, 40)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def global_pickle(module: str, name: str, argument: str) -> bytes:
    """A pickle that calls ``module.name(argument)``."""
    return f"c{module}\n{name}\n(S'{argument}'\ntR.".encode()


@pytest.mark.parametrize(
    ('module', 'name'),
    [
        ('os', 'system'),
        ('posix', 'system'),
        ('builtins', 'eval'),
        ('builtins', 'getattr'),
        ('numpy', 'load'),
        ('numpy.core.multiarray', 'fromfile'),
        ('numpy._core.multiarray', 'set_typeDict'),
        ('_codecs', 'decode'),
        ('__builtin__', 'bytearray'),
        ('mmdet_ovis.pseudo_labels.proposals.array_pickle', '_Array'),
    ],
)
def test_case_13_any_other_global_is_refused(tmp_path, module, name):
    path = tmp_path / 'bad.pkl'
    marker = tmp_path / 'marker'
    path.write_bytes(global_pickle(module, name, f'touch {marker}'))
    with pytest.raises(
        ValueError, match=rf'bad\.pkl was not loaded: .*{module}.{name}'
    ):
        load_array_pickle(path)
    assert not marker.exists()


def test_case_13_a_booby_trap_does_not_go_off(tmp_path):
    marker = tmp_path / 'marker'
    trap = pickle.dumps([Touch(marker)])
    pickle.loads(trap)
    assert marker.exists()  # it works where it is let
    marker.unlink()
    (tmp_path / 'a.pkl').write_bytes(trap)
    with pytest.raises(ValueError, match='names pathlib'):
        read_upstream_pseudo_labels(tmp_path / 'a.pkl')
    assert not marker.exists()


@pytest.mark.parametrize(
    'content', [np.array([{}], object), np.array(['a']), np.array(['2001'], 'M8[Y]')]
)
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, content):
    path = dump(tmp_path / 'a.pkl', content)
    with pytest.raises(ValueError, match=r'a\.pkl is not a pickle of arrays'):
        load_array_pickle(path)


def test_types_of_numbers_come_as_they_are(tmp_path):
    assert load_array_pickle(dump(tmp_path / 'a.pkl', np.dtype('>f4'))) == '>f4'


def test_arrays_that_lie_about_their_size_are_refused(tmp_path):
    data = pickle.dumps(np.zeros(4, np.uint8), 3)
    assert data.count(b'K\x04\x85') == 1  # the shape
    path = tmp_path / 'a.pkl'
    path.write_bytes(data.replace(b'K\x04\x85', b'K\x7f\x85'))
    with pytest.raises(ValueError, match=r'a\.pkl is not a pickle of arrays'):
        load_array_pickle(path)


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_numbers_of_all_kinds_come_back(tmp_path, protocol):
    content = [
        np.arange(6, dtype='<i8').reshape(2, 3)[:, ::2],
        np.array([200, 255], np.uint8),  # bytes beyond ASCII
        np.zeros((0, 5), np.float32),  # no bytes at all
        np.float32(0.5),
        {'shape': (2, 3), 'flag': np.bool_(True)},
    ]
    found = load_array_pickle(dump(tmp_path / 'a.pkl', content, protocol))
    assert found[0].tolist() == [[0, 2], [3, 5]]
    assert found[1].tolist() == [200, 255]
    assert found[2].shape == (0, 5)
    assert found[3:] == [0.5, {'shape': (2, 3), 'flag': True}]


def call(module: str, name: str, *texts: str) -> bytes:
    """A pickle of protocol 0 that calls a name with texts."""
    arguments = ''.join(f'V{text}\n' for text in texts)
    return f'c{module}\n{name}\n({arguments}tR.'.encode()


def test_bytes_of_old_protocols_are_all_that_is_encoded(tmp_path):
    path = tmp_path / 'a.pkl'
    path.write_bytes(call('_codecs', 'encode', 'ab', 'latin1'))
    assert load_array_pickle(path) == b'ab'
    path.write_bytes(call('__builtin__', 'bytes'))
    assert load_array_pickle(path) == b''
    for refused in (
        call('_codecs', 'encode', 'ab', 'rot13'),
        call('_codecs', 'encode', 'ab', 'zlib'),
        call('_codecs', 'encode', 'ab'),
        call('__builtin__', 'bytes', 'ab'),
        b'c__builtin__\nbytes\n(I1000000000\ntR.',  # so many zeros
        call('numpy', 'ndarray'),
    ):
        path.write_bytes(refused)
        with pytest.raises(ValueError, match=r'a\.pkl is not a pickle of arrays'):
            load_array_pickle(path)


def test_what_is_short_and_endless_is_refused(tmp_path):
    content = []
    for _ in range(60):
        content = [content, content]  # 2 ** 60 lists
    path = dump(tmp_path / 'a.pkl', content)
    assert path.stat().st_size < 1000
    with pytest.raises(ValueError, match=r'a\.pkl was not loaded: .* over and over'):
        load_array_pickle(path)
    itself = []
    itself.append(itself)
    with pytest.raises(ValueError, match=r'a\.pkl '):
        load_array_pickle(dump(tmp_path / 'a.pkl', itself))


def test_bytes_that_are_made_again_and_again_are_refused(tmp_path):
    """A megabyte that stands there once, encoded a thousand times."""
    path = tmp_path / 'a.pkl'
    start = b'(c_codecs\nencode\np0\n(V' + b'a' * 2**20 + b'\nVlatin1\ntp1\n'
    path.write_bytes(start + b'g0\ng1\nR' * 1000 + b'l.')
    with pytest.raises(ValueError, match=r'a\.pkl was not loaded: .* over and over'):
        load_array_pickle(path)


def test_arrays_of_shared_bytes_take_no_memory(tmp_path):
    array = np.zeros(2**20, np.uint8)
    data = pickle.dumps([array] * 3, 2)
    (tmp_path / 'a.pkl').write_bytes(data)
    found = load_array_pickle(tmp_path / 'a.pkl')
    assert len(found) == 3
    assert all(each is found[0] for each in found)


def test_parts_that_are_shared_as_files_do_are_read(tmp_path):
    box = (1, 2, 3, 4)
    content = [[box, box, 'cat', 'cat'] for _ in range(500)]
    assert load_array_pickle(dump(tmp_path / 'a.pkl', content, 5)) == content


@pytest.mark.parametrize(
    ('module', 'name'),
    [
        ('numpy', 'ndarray'),
        ('numpy', 'dtype'),
        ('numpy.core.multiarray', 'scalar'),
        ('numpy.core.multiarray', '_reconstruct'),
        ('_codecs', 'encode'),
    ],
)
@pytest.mark.parametrize('state', ["}S'evil'\nI1\ns", "(N}S'_make'\nI1\nst"])
def test_what_is_handed_out_cannot_be_changed(tmp_path, module, name, state):
    path = tmp_path / 'a.pkl'
    path.write_bytes(f'c{module}\n{name}\n{state}b.'.encode())
    with pytest.raises(ValueError, match=r'a\.pkl is not a pickle of arrays'):
        load_array_pickle(path)
    good = dump(tmp_path / 'good.pkl', [np.arange(3), np.float32(2)], 2)
    assert load_array_pickle(good)[0].tolist() == [0, 1, 2]


def test_a_name_is_no_content(tmp_path):
    (tmp_path / 'a.pkl').write_bytes(b'cnumpy\nndarray\n.')
    with pytest.raises(ValueError, match='holds the name of a function'):
        load_array_pickle(tmp_path / 'a.pkl')


@pytest.mark.parametrize('data', [b'', b'nonsense', b'\x80\x03]q\x00(X', b'\x80\x03K.'])
def test_damage_is_told(tmp_path, data):
    (tmp_path / 'a.pkl').write_bytes(data)
    with pytest.raises(ValueError, match=r'a\.pkl is not a pickle of arrays, or'):
        load_array_pickle(tmp_path / 'a.pkl')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'a': 1}, 'holds a dict, not a list over classes'),
        ([np.zeros((2, 4))], r'a\.pkl\[0\]: boxes of a class are an array \(n, 5\)'),
    ],
)
def test_other_layouts_of_proposals_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_upstream_proposals(dump(tmp_path / 'a.pkl', content))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'a': 1}, 'holds a dict, not a list'),
        ([('cat', [1, 2, 3])], r'a\.pkl\[0\] is not a pseudo label'),
        ([(3, [1, 2, 3, 4], 1.0, [])], r'a\.pkl\[0\] is not a pseudo label'),
        ([('cat', [1, 2, 3, np.inf], 1.0, [])], 'all numbers finite'),
        ([('cat', [1, 2, 3, 4], np.nan, [])], 'all numbers finite'),
        ([('cat', [1, 2, 3, 4], 10**400, [])], 'all numbers finite'),
        ([('cat', [1, 2, 3, 4], 1.0, [[0, 0, 1, 1, 2, 10**400]])], 'all numbers fin'),
    ],
)
def test_other_layouts_of_labels_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_upstream_pseudo_labels(dump(tmp_path / 'a.pkl', content))


@pytest.mark.parametrize('info', [{}, {'ori_shape': 'x'}, [1]])
def test_an_info_file_without_a_size_is_refused(tmp_path, info):
    path = dump(tmp_path / 'a.pkl', [])
    dump(tmp_path / 'a_info.pkl', info)
    with pytest.raises(ValueError, match=r'a_info\.pkl.*ori_shape'):
        read_upstream_proposals(path)


def test_a_missing_info_file_is_named(tmp_path):
    path = dump(tmp_path / 'a.pkl', [])
    with pytest.raises(FileNotFoundError, match=r'a_info\.pkl'):
        read_upstream_proposals(path)


# ------------------------------------------------------------------ the provider
def test_a_folder_is_a_provider(tmp_path):
    folder = tmp_path / 'proposals' / 'train'
    folder.mkdir(parents=True)
    boxes = np.array([[0, 0, 9, 9, 0.1], [-0.5, 0, 4, 4, 0.9], [0, 0, 9, 9, 0.1]])
    dump(folder / 'a.pkl', [boxes[:1], boxes[1:]])
    dump(folder / 'a_info.pkl', {'ori_shape': (20, 30)})
    provider = TASK_UTILS.build(
        {
            'type': 'UpstreamPickleProposals',
            'folder': str(tmp_path / 'proposals'),
            'clip': False,
        }
    )
    before = provider.parameters
    assert set(before) == {'name', 'top_k', 'nms_iou', 'clip', 'files_sha256'}
    image = np.zeros((20, 30, 3), np.uint8)
    found = provider.propose(image, 1, 'train/a.jpg')
    assert found.boxes.tolist() == boxes[:, :4].tolist()  # all, in their order
    assert len(provider.propose(image, 2, 'train/b.jpg')) == 0
    with pytest.raises(ValueError, match=r'ori_shape is \[20, 30\], train/a.jpg is'):
        provider.propose(image[:10], 1, 'train/a.jpg')
    assert provider.parameters == before
    again = UpstreamPickleProposals(tmp_path / 'proposals', clip=False)
    assert again.parameters == before
    dump(folder / 'a.pkl', [boxes[1:], boxes[:1]])  # as many bytes
    changed = UpstreamPickleProposals(tmp_path / 'proposals', clip=False).parameters
    assert changed != before
    dump(folder / 'b.pkl', [boxes])
    more = UpstreamPickleProposals(tmp_path / 'proposals', clip=False).parameters
    assert more not in (before, changed)


def test_a_folder_without_proposals_is_refused(tmp_path):
    for folder, message in ((tmp_path, 'has no file'), (tmp_path / 'x', 'no such fol')):
        with pytest.raises(FileNotFoundError, match=message):
            TASK_UTILS.build({'type': 'UpstreamPickleProposals', 'folder': str(folder)})


@pytest.mark.parametrize(
    'data',
    [b'\x80\x02Nr\xff\xff\x00\x00.', b'Np65535\n.'],
    ids=['LONG_BINPUT', 'PUT'],
)
def test_numbers_beyond_the_size_of_a_file_are_refused(tmp_path, data):
    """The unpickler makes a list for them: of 32 GB for the largest of four bytes."""
    path = tmp_path / 'bad.pkl'
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r'bad\.pkl was not loaded: it numbers a part'):
        load_array_pickle(path)


def test_rows_of_different_lengths_are_named(tmp_path):
    path = dump(tmp_path / 'a.pkl', [[[1, 2, 3, 4, 0.5], [1, 2]]])
    dump(tmp_path / 'a_info.pkl', {'ori_shape': (30, 40)})
    with pytest.raises(ValueError, match=r'a\.pkl\[0\] is no array'):
        read_upstream_proposals(path)
    dump(tmp_path / 'a.pkl', [np.zeros((0, 5))])
    dump(tmp_path / 'a_info.pkl', {'ori_shape': [[30], 40]})
    with pytest.raises(ValueError, match=r"a_info\.pkl: 'ori_shape' is no array"):
        read_upstream_proposals(path)
