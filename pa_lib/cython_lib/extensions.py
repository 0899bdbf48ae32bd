"""The compiled kernels of `pa_lib`: the only place that lists them.

Read by the project's ``setup.py`` (installation) and by ``pa_lib/cython_lib/setup.py``
(in-place build). It is loaded by path, before anything is compiled, so it must not
import `pa_lib`.
"""

from __future__ import annotations

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension

KERNELS = (
    'filters',
    'watershed',
    'region_graph',
    'merging',
    'tree_stats',
    'selection',
    'encoding',
)

# No -march=native and no -ffast-math, and no contraction to fused multiply-add, which
# compilers do by themselves on some machines: the same map has to give the same bytes
# on every one of them.
COMPILE_ARGS = ['-O3', '-ffp-contract=off']

COMPILER_DIRECTIVES = {
    'language_level': 3,
    'boundscheck': False,
    'wraparound': False,
    'cdivision': True,
    'initializedcheck': False,
}


def make_extensions() -> list[Extension]:
    """Translate the kernels to C and describe how to compile them.

    Paths are relative to the root of the repository, which must be the current
    directory.

    Returns:
        One extension module per kernel, named ``pa_lib.cython_lib.<kernel>``.
    """
    folder = Path('pa_lib') / 'cython_lib'
    extensions = [
        Extension(
            f'pa_lib.cython_lib.{kernel}',
            [str(folder / f'{kernel}.pyx')],
            extra_compile_args=COMPILE_ARGS,
        )
        for kernel in KERNELS
    ]
    return cythonize(extensions, compiler_directives=COMPILER_DIRECTIVES)
