"""Answer one question of install.sh about the environment this runs in.

Usage: ``python requirements/probe.py QUESTION``. Exit status 0 is yes (some answers
print a value), 1 is no with the reason on stderr, 2 is no in a way that installing
something does not mend.

Only the standard library may be imported at the top: a fresh environment has no more.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import runpy
import sys
import sysconfig
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOWEST_TORCH = (2, 4)
OFFICIAL_NAMES = (
    'mmcv',
    'mmcv-full',
    'mmcv-lite',
    'mmdet',
    'mmengine',
    'mmengine-lite',
)
FINGERPRINTED = (
    'requirements/*',
    'setup.py',
    'pyproject.toml',
    'mmdet_ovis/version.py',
    'pa_lib/**/extensions.py',
    'pa_lib/**/*.pyx',
    'pa_lib/**/*.pxd',
)


class MissingError(Exception):
    """The answer is no, and installing something mends it."""


class UnfitError(Exception):
    """The answer is no, and the user has to decide."""


def fingerprint() -> str:
    """A hash of what the installation depends on: requirements, kernels, Python."""
    digest = hashlib.sha256(f'{ROOT}\n{sys.version}\n'.encode())
    for pattern in FINGERPRINTED:
        for path in sorted(p for p in ROOT.glob(pattern) if p.is_file()):
            digest.update(f'{path.relative_to(ROOT)}\n'.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def cores() -> str:
    """How many cores this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return str(len(os.sched_getaffinity(0)))
    return str(os.cpu_count() or 1)


def headers() -> str:
    """The folder of Python.h."""
    folder = sysconfig.get_paths()['include']
    if not Path(folder, 'Python.h').is_file():
        raise MissingError(f'the headers of Python are missing ({folder}/Python.h)')
    return folder


def torch_version() -> str:
    """The version of an installed torch that is new enough."""
    if importlib.util.find_spec('torch') is None:
        raise MissingError('torch is not installed')
    version = importlib.import_module('torch').__version__
    if _numbers(version)[:2] < LOWEST_TORCH:
        lowest = '.'.join(map(str, LOWEST_TORCH))
        raise UnfitError(f'torch {version} is installed, and {lowest} is the lowest')
    return version


def opencv_version() -> str:
    """The version of an OpenCV that can be imported."""
    return importlib.import_module('cv2').__version__


def foreign_opencv() -> str:
    """The version of a working OpenCV that is not the headless distribution."""
    if 'opencv-python-headless' in _distributions():
        raise MissingError('the headless OpenCV is installed')
    return opencv_version()


def no_conflict() -> str:
    """No distribution that shares its folder with one of mminstall.txt."""
    found = [name for name in OFFICIAL_NAMES if name in _distributions()]
    if found:
        raise UnfitError(
            f'{", ".join(found)} of OpenMMLab {"is" if len(found) == 1 else "are"} '
            'installed and would share a folder with the onedl build of the same name'
        )
    return ''


def mmengine_version() -> str:
    """The version of an installed mmengine that fits."""
    return _openmmlab('mmengine')


def mmdet_version() -> str:
    """The version of an installed mmdet that fits and has what it imports."""
    version = _openmmlab('mmdet')
    importlib.import_module('mmdet.datasets')
    return version


def mmcv_version() -> str:
    """The version of an installed mmcv that fits and whose operators compute."""
    version = _openmmlab('mmcv')
    torch = importlib.import_module('torch')
    ops = importlib.import_module('mmcv.ops')
    for device in ['cpu'] + ['cuda'] * torch.cuda.is_available():
        boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0]] * 2, device=device)
        kept = ops.nms(boxes, torch.tensor([0.9, 0.8], device=device), 0.5)[1]
        rois = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]], device=device)
        pooled = ops.roi_align(torch.ones(1, 1, 8, 8, device=device), rois, (2, 2))
        if kept.tolist() != [0] or pooled.sum().item() != 4.0:
            raise MissingError(
                f'the operators of mmcv compute wrong values on {device}'
            )
    return version


def cuda_toolkit() -> str:
    """The toolkit that mmcv's CUDA operators are compiled with, if they are needed."""
    torch = importlib.import_module('torch')
    home = importlib.import_module('torch.utils.cpp_extension').CUDA_HOME
    if torch.cuda.is_available() and home is None:
        raise UnfitError(
            f'torch sees a GPU, and there is no CUDA toolkit (nvcc) to compile '
            f"mmcv's operators for it (torch has CUDA {torch.version.cuda})"
        )
    return str(home)


def project() -> str:
    """This clone is what ``import mmdet_ovis`` finds, with all it needs."""
    for name in ('mmdet_ovis', 'pa_lib'):
        spec = importlib.util.find_spec(name)
        if spec is None or not Path(spec.origin or '').is_relative_to(ROOT):
            raise MissingError(f'{name} is not installed from {ROOT}')
    for source in ROOT.glob('pa_lib/**/*.pyx'):
        if not source.with_suffix(sysconfig.get_config_var('EXT_SUFFIX')).is_file():
            raise MissingError(f'{source.relative_to(ROOT)} is not compiled')
    # Not through the package: a mistake in it is no reason to install again.
    runpy.run_path(str(ROOT / 'mmdet_ovis' / '_compat.py'))['check_environment']()
    importlib.import_module('torch')  # loads the libraries that mmcv._ext links to
    importlib.import_module('mmcv._ext')
    return opencv_version()


def _openmmlab(name: str) -> str:
    window = runpy.run_path(str(ROOT / 'mmdet_ovis' / '_compat.py'))['REQUIREMENTS']
    lowest, first_untried = window[name]
    version = importlib.import_module(name).__version__
    if not _numbers(lowest) <= _numbers(version) < _numbers(first_untried):
        raise MissingError(f'{name} {version} is not in [{lowest}, {first_untried})')
    return version


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[-1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r'\d+', version)[:3])


def _distributions() -> set[str]:
    names = (dist.metadata['Name'] or '' for dist in metadata.distributions())
    return {re.sub(r'[-_.]+', '-', name).lower() for name in names}


QUESTIONS: dict[str, Callable[[], str]] = {
    'cores': cores,
    'cuda-toolkit': cuda_toolkit,
    'fingerprint': fingerprint,
    'foreign-opencv': foreign_opencv,
    'headers': headers,
    'mmcv': mmcv_version,
    'mmdet': mmdet_version,
    'mmengine': mmengine_version,
    'no-conflict': no_conflict,
    'opencv': opencv_version,
    'project': project,
    'torch': torch_version,
}


def main(argv: list[str]) -> int:
    """Answer the question ``argv[0]`` and return the exit status."""
    try:
        answer = QUESTIONS[argv[0]]()
    except UnfitError as error:
        sys.stderr.write(f'{error}\n')
        return 2
    except Exception as error:
        # Whatever a broken package raises on import, the answer is no.
        sys.stderr.write(f'{_last_line(error)}\n')
        return 1
    sys.stdout.write(f'{answer}\n')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
