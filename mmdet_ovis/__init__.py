"""Instance masks without mask labels: an OpenMMLab plugin for MMDetection 3.x.

Importing this package registers its modules; configs do it by
``custom_imports = dict(imports=['mmdet_ovis'], allow_failed_imports=False)``.
"""

from ._compat import check_environment, import_mmdet_quietly
from .version import __version__

check_environment()
import_mmdet_quietly()

from . import datasets, engine, evaluation, models, pseudo_labels, utils  # noqa: E402

__all__ = [
    '__version__',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'pseudo_labels',
    'utils',
]
