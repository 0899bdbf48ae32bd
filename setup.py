import runpy
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version():
    """Execute the version file alone: importing the package would need mmdet."""
    return runpy.run_path(str(ROOT / 'mmdet_ovis' / 'version.py'))['__version__']


def read_requirements(name):
    """Return the requirements of one file, without comments, options and blanks."""
    lines = (ROOT / 'requirements' / name).read_text(encoding='utf-8').splitlines()
    stripped = (line.split('#', 1)[0].strip() for line in lines)
    return [line for line in stripped if line and not line.startswith('-')]


def make_extensions():
    """Load the list of kernels by path, since `pa_lib` needs them to be imported."""
    script = ROOT / 'pa_lib' / 'cython_lib' / 'extensions.py'
    return runpy.run_path(str(script))['make_extensions']()


setup(
    name='mmdet-ovis',
    version=read_version(),
    description='Instance segmentation from masks that nobody drew, for MMDetection',
    license='Apache-2.0',
    packages=find_packages(include=['pa_lib*', 'mmdet_ovis*']),
    package_data={'pa_lib': ['ranker.json'], 'pa_lib.cython_lib': ['*.pyx', '*.pxd']},
    python_requires='>=3.10',
    install_requires=read_requirements('runtime.txt'),
    extras_require={
        name: read_requirements(f'{name}.txt')
        for name in ('mminstall', 'optional', 'ovis', 'tests', 'docs')
    },
    ext_modules=make_extensions(),
    zip_safe=False,
)
