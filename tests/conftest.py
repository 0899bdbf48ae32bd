"""What all tests share: no network, few threads, one small dataset."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path

import pytest

os.environ.setdefault('OMP_NUM_THREADS', '1')

ROOT = Path(__file__).resolve().parents[1]
_connect = socket.socket.connect


def _local_connect(self, address):
    """Let processes of this machine talk, refuse everything else."""
    host = address[0] if isinstance(address, tuple) else 'localhost'
    if self.family != socket.AF_UNIX and host not in ('localhost', '127.0.0.1', '::1'):
        raise OSError(f'tests have no network, but something connects to {address}')
    return _connect(self, address)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    monkeypatch.setattr(socket.socket, 'connect', _local_connect)


@pytest.fixture(autouse=True)
def _open_streams():
    """Loggers outlive the test that made them; pytest closes what they write to."""
    yield
    mmengine = sys.modules.get('mmengine.logging')
    loggers = mmengine.MMLogger._instance_dict.values() if mmengine else ()
    for handler in [handler for logger in loggers for handler in logger.handlers]:
        if type(handler) is logging.StreamHandler and handler.stream.closed:
            handler.stream = sys.stdout


@pytest.fixture(scope='session', autouse=True)
def _one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope='session')
def root() -> Path:
    """Root of the repository."""
    return ROOT


@pytest.fixture(scope='session')
def openshapes(tmp_path_factory) -> Path:
    """A small OpenShapes: 12 training and 4 test images of 96 x 96 pixels."""
    from mmdet_ovis.datasets.openshapes import OpenShapesConfig, make_openshapes

    folder = tmp_path_factory.mktemp('openshapes')
    make_openshapes(
        folder, OpenShapesConfig(num_train=12, num_val=4, image_size=96), workers=1
    )
    return folder
