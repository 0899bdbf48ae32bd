"""What the import of the package says when the stack does not fit."""

import importlib.util

import mmcv
import mmdet
import pytest

from mmdet_ovis import _compat


def _without(monkeypatch, missing):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        'find_spec',
        lambda name, *args: None if name == missing else find_spec(name, *args),
    )


def _message():
    with pytest.raises(ImportError) as caught:
        _compat.check_environment()
    text = str(caught.value)
    assert '\n' not in text
    assert "run 'make install'" in text
    return text


def test_this_environment_fits():
    _compat.check_environment()


@pytest.mark.parametrize('name', ['mmengine', 'mmcv', 'mmdet'])
def test_a_missing_package_is_named(monkeypatch, name):
    _without(monkeypatch, name)
    assert f'mmdet_ovis needs {name} >= ' in _message()


def test_missing_compiled_ops_are_named(monkeypatch):
    _without(monkeypatch, 'mmcv._ext')
    assert 'mmcv with compiled ops' in _message()


@pytest.mark.parametrize(
    ('module', 'version'), [(mmcv, '2.1.0'), (mmdet, '3.3.0'), (mmcv, '3.0.0')]
)
def test_a_version_that_does_not_fit_is_named(monkeypatch, module, version):
    monkeypatch.setattr(module, '__version__', version)
    assert f'version {version} is installed' in _message()


def test_the_import_is_quiet(capfd):
    _compat.import_mmdet_quietly()
    out, err = capfd.readouterr()
    assert out == err == ''
