import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmdet_ovis.utils.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_model_checkpoint,
    trust_checkpoints,
)


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
