"""What must be installed for this package to work, checked once at import."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import warnings

REQUIREMENTS: dict[str, tuple[str, str]] = {
    'mmengine': ('0.10.12', '0.11.0'),
    'mmcv': ('2.3.0', '2.4.0'),
    'mmdet': ('3.5.0', '3.6.0'),
}
"""Import name -> (lowest version that works, first version not tried)."""

_REMEDY = "run 'make install' or see docs/installation.md"


def check_environment() -> None:
    """Check that the OpenMMLab stack fits.

    Raises:
        ImportError: With one line that names what is missing and the remedy.
    """
    for name, (lowest, first_untried) in REQUIREMENTS.items():
        if importlib.util.find_spec(name) is None:
            raise ImportError(f'mmdet_ovis needs {name} >= {lowest}: {_REMEDY}')
        version = importlib.import_module(name).__version__
        if not _key(lowest) <= _key(version) < _key(first_untried):
            raise ImportError(
                f'mmdet_ovis needs {lowest} <= {name} < {first_untried}, '
                f'version {version} is installed: {_REMEDY}'
            )
    if importlib.util.find_spec('mmcv._ext') is None:
        raise ImportError(
            'mmdet_ovis needs mmcv with compiled ops (mmcv._ext is missing, so there '
            f'is no NMS and no RoIAlign): {_REMEDY}'
        )


def _key(version: str) -> tuple[int, ...]:
    from mmengine.utils import digit_version

    return digit_version(version)


def import_mmdet_quietly() -> None:
    """Import mmdet's parts that report on optional packages which nobody needs here."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for part in ('datasets', 'evaluation'):
            importlib.import_module(f'mmdet.{part}')
