"""Import, build and documentation of `pa_lib`."""

import doctest
import importlib
import os
import pkgutil
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import pa_lib

PACKAGE = Path(pa_lib.__file__).parent
MODULES = [
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], 'pa_lib.')
    if module.name not in ('pa_lib.cython_lib.setup', 'pa_lib.cython_lib.extensions')
]

BLOCK = """
import importlib.abc
import sys


class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == word or name.startswith(word + '.') for word in {blocked!r}):
            raise ImportError('blocked: ' + name)


sys.meta_path.insert(0, Block())
"""


def run_blocked(blocked, script):
    return subprocess.run(
        [sys.executable, '-c', BLOCK.format(blocked=blocked) + script],
        env={**os.environ, 'PYTHONPATH': str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_works_where_frameworks_cannot_be_imported():
    blocked = [
        'torch',
        'mmdet',
        'mmcv',
        'mmengine',
        'mmdet_ovis',
        'networkx',
        'skimage',
        'cv2',
    ]
    script = """
import numpy as np
from pa_lib import group
affinity = np.full((64, 64), 0.9, np.float32)
affinity[15:49, 15:49] = 0.1
affinity[17:47, 17:47] = 0.9
print(group(affinity).boxes[0].tolist())
"""
    done = run_blocked(blocked, script)
    assert done.returncode == 0, done.stderr
    assert done.stdout == '[16, 16, 32, 32]\n'


def test_missing_kernels_name_the_build_command():
    done = run_blocked(['pa_lib.cython_lib.merging'], 'import pa_lib')
    last_line = done.stderr.strip().splitlines()[-1]
    assert last_line.startswith('ImportError: the kernels of pa_lib are not compiled')
    assert 'python pa_lib/cython_lib/setup.py build_ext --inplace' in last_line


def test_every_kernel_is_built():
    pytest.importorskip('Cython')
    listed = runpy.run_path(str(PACKAGE / 'cython_lib' / 'extensions.py'))['KERNELS']
    sources = {path.stem for path in (PACKAGE / 'cython_lib').glob('*.pyx')}
    assert sources == set(listed)


@pytest.mark.parametrize('name', ['pa_lib', *MODULES])
def test_examples_in_docstrings(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_public_functions_have_examples():
    documented = [name for name in MODULES if 'Example:' in _source(name)]
    assert {'pa_lib.affinity', 'pa_lib.hierarchy', 'pa_lib.spectral'} <= set(documented)


def _source(name):
    return Path(importlib.util.find_spec(name).origin).read_bytes().decode('latin-1')
