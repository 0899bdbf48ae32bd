"""Build the kernels of `pa_lib` in place, without installing anything.

Usage::

    python pa_lib/cython_lib/setup.py build_ext --inplace
"""

import os
import runpy
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent

os.chdir(HERE.parents[1])
make_extensions = runpy.run_path(str(HERE / 'extensions.py'))['make_extensions']

setup(
    name='pa_lib_kernels',
    packages=['pa_lib', 'pa_lib.cython_lib'],
    ext_modules=make_extensions(),
)
