"""The methods that can be compared on OpenShapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ...utils.settings import check_choice

AFFINITY_MASKS = 'pa_extract'


@dataclass(frozen=True)
class Method:
    """A detector and what it is trained with.

    Attributes:
        title (str): Name in tables.
        config (str): Config in ``configs/openshapes``.
        masks (str, optional): Extraction config whose masks it is trained with.
        ranker (str, optional): Method whose detector ranks these masks.
        metrics (tuple[str, ...]): ``'bbox'``, ``'segm'`` or both.
    """

    title: str
    config: str
    masks: str | None = None
    ranker: str | None = None
    metrics: tuple[str, ...] = ('bbox', 'segm')


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        'baseline': Method('baseline', 'class_agn_mask_rcnn'),
        'ggn': Method('GGN', 'class_agn_mask_rcnn_pa', AFFINITY_MASKS),
        'oln_box': Method('OLN-Box', 'oln_box', metrics=('bbox',)),
        'oln_mask': Method('OLN-Mask', 'oln_mask'),
        'ggn_oln': Method('GGN-OLN', 'ggn_oln', AFFINITY_MASKS),
        'ggn_oln-ranker': Method(
            'GGN + OLN ranker',
            'class_agn_mask_rcnn_pa_oln-ranker',
            'pa_extract_oln-ranker',
            ranker='oln_box',
        ),
    }
)
"""Method by the name that ``tools/demo.py --methods`` takes."""

DEMO_METHODS = ('baseline', 'ggn')
"""Those of ``make demo``."""


def check_methods(names: Sequence[str]) -> None:
    """Check that methods exist and stand behind those they need.

    Raises:
        ValueError: If not; the message says what would be right.
    """
    if not names:
        raise ValueError(f'name at least one method of {", ".join(METHODS)}')
    for place, name in enumerate(names):
        check_choice('a method', name, METHODS)
        if name in names[:place]:
            raise ValueError(f"method '{name}' is named twice")
        ranker = METHODS[name].ranker
        if ranker and ranker not in names[:place]:
            raise ValueError(f"name '{ranker}' before '{name}', which needs it")
