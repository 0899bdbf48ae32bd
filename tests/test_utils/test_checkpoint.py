import io
import os
import pickle
import shutil
import sys
import types
import urllib.error

import numpy as np
import pytest
import torch
from mmengine.fileio import dump, get_file_backend, put_text
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmdet_ovis.utils.checkpoint import (
    CheckpointError,
    DamagedCheckpointError,
    load_checkpoint,
    load_model_checkpoint,
    model_state,
    trust_checkpoints,
)
from mmdet_ovis.utils.mmengine_files import AtomicLocalBackend
from mmdet_ovis.utils.packages import MissingPackageError


class _Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def bomb(tmp_path):
    path, marker = tmp_path / 'bomb.pth', tmp_path / 'it_ran'
    torch.save({'state_dict': {}, 'meta': _Bomb(marker)}, path)
    return path, marker


def test_booby_trap_is_refused(bomb):
    path, marker = bomb
    with pytest.raises(CheckpointError, match=r'bomb\.pth.*--trust-checkpoint'):
        load_checkpoint(path)
    assert not marker.exists()


def test_booby_trap_is_refused_by_mmengine_too(bomb):
    path, marker = bomb
    with pytest.raises(CheckpointError, match='was not loaded'):
        CheckpointLoader.load_checkpoint(str(path))
    assert not marker.exists()


def test_plain_pickle_is_refused(tmp_path):
    path, marker = tmp_path / 'plain.pth', tmp_path / 'it_ran'
    path.write_bytes(pickle.dumps(_Bomb(marker), protocol=2))
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    assert not marker.exists()


def test_trust_says_yes_on_purpose(bomb):
    path, marker = bomb
    with trust_checkpoints():
        CheckpointLoader.load_checkpoint(str(path))
    assert marker.exists()
    marker.rmdir()
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_what_mmengine_saves_is_loaded(tmp_path):
    path = tmp_path / 'plain.pth'
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    torch.save(
        {
            'state_dict': nn.Linear(2, 3).state_dict(),
            'message_hub': {'loss': history, 'lr': np.float64(0.1)},
            'meta': {'seed': np.int64(3), 'array': np.arange(3, dtype=np.float32)},
        },
        path,
    )
    loaded = load_checkpoint(path)
    assert loaded['message_hub']['loss'].current() == 2.0
    assert loaded['meta']['seed'] == 3


@pytest.mark.parametrize('content', [b'', b'not a checkpoint', b'PK\x03\x04broken'])
def test_damaged_files_are_named(tmp_path, content):
    path = tmp_path / 'damaged.pth'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r'damaged\.pth is not a checkpoint'):
        load_checkpoint(path)


def test_truncated_file_is_named(tmp_path):
    path = tmp_path / 'cut.pth'
    torch.save({'state_dict': nn.Linear(50, 50).state_dict()}, path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(CheckpointError, match=r'cut\.pth is not a checkpoint'):
        load_checkpoint(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        load_checkpoint(tmp_path / 'nowhere.pth')


def test_another_architecture_is_named(tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'state_dict': nn.Linear(2, 4).state_dict()}, path)
    with pytest.raises(CheckpointError, match=r'of another model.*2 of another shape'):
        load_model_checkpoint(nn.Linear(2, 3), path)
    with pytest.raises(CheckpointError, match=r'2 missing.*2 unexpected'):
        load_model_checkpoint(nn.Sequential(nn.Linear(2, 4)), path)


def test_weights_of_the_original_are_to_be_converted(tmp_path):
    path = tmp_path / 'original.pth'
    torch.save({'classifier.4.weight': torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r'convert_ggn\.py'):
        load_model_checkpoint(nn.Linear(2, 3), path)


def test_weights_of_maskrcnn_benchmark_are_to_be_converted(tmp_path):
    path = tmp_path / 'original.pth'
    state = {'module.backbone.body.stem.conv1.weight': torch.zeros(1)}
    torch.save({'model': state, 'iteration': 3}, path)
    with pytest.raises(CheckpointError, match=r'convert_cmpl\.py'):
        load_model_checkpoint(nn.Linear(2, 3), path)


def test_weights_are_loaded_also_without_ddp_prefix(tmp_path):
    source, model = nn.Linear(2, 3), nn.Linear(2, 3)
    path = tmp_path / 'w.pth'
    torch.save({f'module.{k}': v for k, v in source.state_dict().items()}, path)
    load_model_checkpoint(model, path)
    assert torch.equal(model.weight, source.weight)


def test_getattr_is_no_way_around(tmp_path):
    """A pickle that walks from an allowed class to something that runs code."""

    class Walk:
        def __reduce__(self):
            return getattr, (HistoryBuffer, '__init__')

    path = tmp_path / 'walk.pth'
    torch.save({'state_dict': {}, 'meta': Walk()}, path)
    with pytest.raises(CheckpointError, match=r'walk\.pth'):
        load_checkpoint(path)


def test_a_file_of_old_pytorch_is_read_and_its_trap_refused(tmp_path):
    """Before version 1.6 a file was a row of pickles, without checksums."""
    good, bad, marker = tmp_path / 'good.pth', tmp_path / 'bad.pth', tmp_path / 'it_ran'
    linear = nn.Linear(2, 3)
    old = dict(_use_new_zipfile_serialization=False)
    torch.save({'state_dict': linear.state_dict(), 'meta': {'epoch': 8}}, good, **old)
    assert not good.read_bytes().startswith(b'PK')
    model = nn.Linear(2, 3)
    assert load_model_checkpoint(model, good)['meta']['epoch'] == 8
    assert torch.equal(model.weight, linear.weight)

    torch.save({'state_dict': {}, 'meta': _Bomb(marker)}, bad, **old)
    with pytest.raises(CheckpointError, match=r'bad\.pth.*--trust-checkpoint'):
        load_checkpoint(bad)
    assert not marker.exists()


def _refusal(path):
    try:
        load_checkpoint(path)
    except CheckpointError as error:
        return str(error)
    return None


def test_changed_bytes_of_old_files_end_in_one_error(tmp_path):
    """Without checksums a change may go unnoticed, but it never ends in a traceback."""
    path = tmp_path / 'old.pth'
    state = nn.Linear(2, 3).state_dict()
    torch.save({'state_dict': state}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            changed[place] = rng.integers(256)
        path.write_bytes(changed[: rng.integers(len(content) // 2, len(content) + 1)])
        message = _refusal(path)
        if message is not None:
            refused += 1
            assert 'old.pth' in message
            assert '\n' not in message
    assert refused > 100


def test_a_changed_byte_is_noticed(tmp_path):
    path = tmp_path / 'flipped.pth'
    torch.save({'state_dict': {'weight': torch.ones(100)}}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.ones(100).numpy().tobytes()) + 7] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)['state_dict']['weight'].sum() != 100
    with pytest.raises(DamagedCheckpointError, match=r'flipped\.pth is damaged'):
        load_checkpoint(path)


def test_files_written_without_checksums_are_read(tmp_path):
    path = tmp_path / 'no_sums.pth'
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({'state_dict': {'weight': torch.ones(3)}}, path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert load_checkpoint(path)['state_dict']['weight'].sum() == 3


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (torch.ones(3), r'holds a Tensor, not a dict of weights'),
        ({'state_dict': [1]}, r"'state_dict' is a list, not a dict"),
        ({'model': {'weight': torch.ones(3)}}, r"'model' is a dict, not a tensor"),
    ],
)
def test_other_content_is_named(tmp_path, content, message):
    path = tmp_path / 'content.pth'
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=rf'content\.pth.*{message}'):
        load_model_checkpoint(nn.Linear(2, 3), path)


def test_objects_of_code_that_is_not_there(tmp_path, monkeypatch):
    """Files of old mmcv hold its objects."""
    path = tmp_path / 'foreign.pth'
    kind = type('ConfigDict', (), {'__module__': 'mmcv_of_old'})
    module = types.ModuleType('mmcv_of_old')
    module.ConfigDict = kind
    monkeypatch.setitem(sys.modules, 'mmcv_of_old', module)
    torch.save({'state_dict': {}, 'meta': kind()}, path)
    monkeypatch.delitem(sys.modules, 'mmcv_of_old')
    with pytest.raises(CheckpointError, match=r'foreign\.pth.*mmcv_of_old\.ConfigDict'):
        load_checkpoint(path)
    with pytest.raises(CheckpointError, match=r'not installed: .*mmcv_of_old'):
        load_checkpoint(path, trust=True)


def test_prefix_of_distributed_models_is_taken_off():
    state = {'module.a': torch.ones(1), 'modules.b': torch.ones(1)}
    assert list(model_state(state, 'x.pth')) == ['a', 'modules.b']


def test_pretrained_initialisation_is_strict(bomb):
    path, marker = bomb

    class Backbone(BaseModule):
        def __init__(self):
            super().__init__(dict(type='Pretrained', checkpoint=str(path)))
            self.layer = nn.Linear(2, 3)

    with pytest.raises(CheckpointError, match=r'bomb\.pth.*was not loaded'):
        Backbone().init_weights()
    assert not marker.exists()


@pytest.fixture
def web(bomb, monkeypatch, tmp_path):
    """Every download is the booby-trapped file."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(
        torch.hub,
        'download_url_to_file',
        lambda url, target, *_, **__: shutil.copy(bomb[0], target),
    )
    return bomb[1]


@pytest.mark.parametrize(
    'name', ['https://example.org/a.pth', 'open-mmlab://mmdet/mobilenet_v2']
)
def test_downloads_are_strict(web, name):
    with pytest.raises(CheckpointError, match=r'^https://.*\.pth holds more than'):
        CheckpointLoader.load_checkpoint(name)
    assert not web.exists()
    with trust_checkpoints():
        CheckpointLoader.load_checkpoint(name)
    assert web.exists()


def test_names_of_torchvision_need_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    with pytest.raises(
        MissingPackageError,
        match=r'torchvision://\.\.\. needs torchvision, which is not installed: pip',
    ):
        CheckpointLoader.load_checkpoint('torchvision://resnet50')


def test_a_download_that_fails_is_named(web, monkeypatch):
    def fail(*_, **__):
        raise urllib.error.URLError('no route')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fail)
    with pytest.raises(
        OSError, match=r'cannot download https://example\.org/a\.pth: no'
    ):
        CheckpointLoader.load_checkpoint('https://example.org/a.pth')


def test_streams_of_other_stores_are_strict(bomb):
    path, marker = bomb
    with pytest.raises(CheckpointError, match='holds more than weights'):
        mmengine_checkpoint._safe_torch_load(io.BytesIO(path.read_bytes()))
    with pytest.raises(CheckpointError, match=r'bomb\.pth holds more than weights'):
        mmengine_checkpoint._safe_torch_load(str(path))
    assert not marker.exists()


def test_mmengine_writes_whole_files(tmp_path, monkeypatch):
    path = tmp_path / 'a.json'
    assert isinstance(get_file_backend(str(path)), AtomicLocalBackend)
    dump({'a': 1}, path)
    put_text('é', tmp_path / 'sub' / 'b.txt')
    assert (tmp_path / 'sub' / 'b.txt').read_text(encoding='utf-8') == 'é'

    def fail(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(OSError, match=r'cannot write .*a\.json: No space left'):
        dump({'a': 2}, path)
    assert path.read_text() == '{"a": 1}'
    assert [file.name for file in tmp_path.glob('.*')] == []
