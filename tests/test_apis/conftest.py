"""A tiny dataset, a config for it and an extraction, for the tests of extraction."""

from __future__ import annotations

import runpy
import sys

import pytest
from extraction_case import (
    CHUNK_SIZE,
    IntensityAffinity,
    make_config,
    write_checkpoint,
    write_dataset,
)

from mmdet_ovis.apis.extraction import extract_pseudo_labels


@pytest.fixture
def before(monkeypatch):
    """Set what happens before each prediction."""

    def set_hook(hook):
        monkeypatch.setattr(IntensityAffinity, 'before', staticmethod(hook))

    return set_hook


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / 'data'
    write_dataset(folder)
    return folder


@pytest.fixture
def config(dataset):
    return make_config(dataset)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'model.pth'
    write_checkpoint(path)
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'out' / 'masks.json'


@pytest.fixture
def extract(config, checkpoint, out):
    def run(**kwargs):
        kwargs = {
            'config': config,
            'checkpoint': checkpoint,
            'out': out,
            'workers': 0,
            'device': 'cpu',
            'chunk_size': CHUNK_SIZE,
            **kwargs,
        }
        return extract_pseudo_labels(**kwargs)

    return run


@pytest.fixture
def undisturbed(extract, tmp_path):
    """The bytes of a run that nothing stopped."""
    path = tmp_path / 'undisturbed.json'
    extract(out=path)
    return path.read_bytes()


@pytest.fixture
def run_tool(monkeypatch, root, config, checkpoint, out, tmp_path):
    """Run the tool in this process and return its exit code."""
    config_file = tmp_path / 'config.py'
    config.dump(config_file)
    tool = str(root / 'tools' / 'extract_pa_masks.py')

    def run(*arguments):
        argv = [tool, config_file, checkpoint, '--out', out, *arguments]
        monkeypatch.setattr(sys, 'argv', list(map(str, argv)))
        with pytest.raises(SystemExit) as end:
            runpy.run_path(tool, run_name='__main__')
        return end.value.code

    return run
