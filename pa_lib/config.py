"""Parameters of the grouping, checked when they are set."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

from pa_lib.cython_lib import LINKAGES
from pa_lib.learned_ranking import LEARNED, load_ranker


@dataclass(frozen=True)
class GroupingConfig:
    """Parameters of `pa_lib.group`.

    The defaults gave the best masks on boundary maps of photographs. Those of `ggn` are
    the ones of GGN's pseudo masks, and `legacy` is the code released with the paper.

    Args:
        edge_thresh: Maxima of the affinity up to this share of the global one seed no
            region, in [0, 1].
        footprint_size: Side of the window in which a seed has to be a maximum, at
            least 2 px.
        use_orientation: Weigh boundaries by how well watershed lines follow them.
        use_globalization: Share of the spectral boundary in [0, 1]; 0 skips it.
        nvec: Number of eigenvectors of the spectral boundary, at least 2, with the
            constant one.
        gamma: Boundary strength at which pixel similarity has fallen to 1 / e.
        spectral: Domain of the eigenvectors: 'regions' of the finest partition (tens of
            milliseconds an image) or 'pixels', as in the original.
        spectral_scale: Resolution of eigenvectors on pixels in (0, 1]; 1 is exact and
            slow.
        rag: Samples of the region graph: 'exact' or 'legacy' (middle regions of
            junctions are missed).
        linkage: Weight of merged boundaries: 'length_weighted', 'legacy_mean', 'min'
            or 'max'.
        join_thresh: Regions merge while the boundary strength is strictly below it.
        rank_method: Value that ranks the masks, 0 to 4, see
            `pa_lib.ranking.rank_values`, or 5, the learned ranker.
        ranker: JSON file of the learned ranker, for rank method 5 alone; the one of
            pa_lib if None.
        use_new_affinity: Rank by the affinity with re-weighted boundaries in place of
            the predicted one.
        min_component_size: Smallest area of a mask, px.
        filter_by_edge_method: Masks dropped for contact with the image frame. 0: none;
            1: those that cover more than the share `filter_by_edge_thresh` of two or
            more sides; 2: those with more pixels on the frame than
            `filter_by_edge_thresh` times the pixels on their inner boundary.
        filter_by_edge_thresh: See above, not negative.
        legacy_edge_filter: Let method 1 compare rows with the height and columns with
            the width, as the original does.
        nms: Masks whose IoU with a better one is above this are dropped; 0 keeps all.
        diversity: Share in [0, 1] of its score that a mask loses for each unit of its
            IoU with a better one; 0 ranks by the scores alone.
        topk: Number of masks to return; all of them if None.

    Raises:
        TypeError: If a parameter has the wrong type.
        ValueError: If a parameter is out of range, or the ranker is no ranker, or is
            set where nothing reads it.
        FileNotFoundError: If there is no such ranker.

    Example:
        >>> GroupingConfig(nms=0.5).nms
        0.5
        >>> GroupingConfig(rank_method=7)
        Traceback (most recent call last):
            ...
        ValueError: rank_method must be in [0, 5], got 7
    """

    edge_thresh: float = 0.0
    footprint_size: int = 6
    use_orientation: bool = False
    use_globalization: float = 0.0
    nvec: int = 16
    gamma: float = 0.12
    spectral: str = 'regions'
    spectral_scale: float = 0.25
    rag: str = 'exact'
    linkage: str = 'length_weighted'
    join_thresh: float = 1.0
    rank_method: int = 5
    ranker: str | None = None
    use_new_affinity: bool = False
    min_component_size: int = 0
    filter_by_edge_method: int = 0
    filter_by_edge_thresh: float = 0.9
    legacy_edge_filter: bool = False
    nms: float = 0.9
    diversity: float = 1.0
    topk: int | None = None

    def __post_init__(self) -> None:
        for name in ('use_orientation', 'use_new_affinity', 'legacy_edge_filter'):
            self._set(name, _flag(name, getattr(self, name)))
        for name, bounds in _FLOAT_BOUNDS.items():
            self._set(name, _number(name, getattr(self, name), *bounds))
        for name, bounds in _INT_BOUNDS.items():
            self._set(name, _integer(name, getattr(self, name), *bounds))
        self._check_ranker()
        if self.topk is not None:
            self._set('topk', _integer('topk', self.topk, 1))
        for name, choices in _CHOICES.items():
            _check_choice(name, getattr(self, name), choices)

    def _check_ranker(self) -> None:
        # Here rather than at the first map, which may come hours later in a worker.
        if self.ranker is None:
            return
        if not isinstance(self.ranker, str):
            raise TypeError(f'ranker must be a path, got {self.ranker!r}')
        if self.rank_method != LEARNED:
            raise ValueError(
                f'ranker {self.ranker!r} is read by rank_method={LEARNED} alone, '
                f'not by {self.rank_method}'
            )
        load_ranker(self.ranker)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any]) -> GroupingConfig:
        """Build a configuration from a mapping, such as `pa_to_masks` of a config file.

        Args:
            parameters: Any of the parameters by name; flags may be 0 or 1.

        Returns:
            The configuration, with defaults for what is left out.

        Raises:
            ValueError: If a name is unknown or a value out of range.
            TypeError: If `parameters` is no mapping, or a value has the wrong type.

        Example:
            >>> GroupingConfig.from_dict({'use_orientation': 1}).use_orientation
            True
            >>> GroupingConfig.from_dict({'join_tresh': 0.9})
            Traceback (most recent call last):
                ...
            ValueError: unknown grouping parameter 'join_tresh'; did you mean \
'join_thresh'?
        """
        if not isinstance(parameters, Mapping):
            raise TypeError(
                'grouping parameters must be a mapping of names to values, got '
                f'{type(parameters).__name__}'
            )
        known = [field.name for field in fields(cls)]
        for name in parameters:
            if name not in known:
                raise ValueError(
                    f'unknown grouping parameter {name!r}; {_suggest(str(name), known)}'
                )
        return cls(**parameters)

    @classmethod
    def ggn(cls, **parameters: Any) -> GroupingConfig:
        """Build the configuration with which GGN extracts pseudo masks.

        Two flaws of the released code are mended: each sample of a boundary counts for
        the regions that it separates, and a merged boundary is weighted by length.

        Args:
            **parameters: Parameters to set on top.

        Returns:
            The configuration.

        Example:
            >>> GroupingConfig.ggn().rank_method
            3
        """
        return cls.from_dict({**_GGN, **parameters})

    @classmethod
    def legacy(cls, **parameters: Any) -> GroupingConfig:
        """Build a configuration that reproduces the code released with GGN.

        Its region graph misses samples at junctions, its linkage ignores boundary
        lengths, its first edge filter swaps height and width, eigenvectors are computed
        at full resolution, and 20 masks are returned.

        Args:
            **parameters: Parameters to set on top.

        Returns:
            The configuration.

        Example:
            >>> GroupingConfig.legacy(use_globalization=0).linkage
            'legacy_mean'
        """
        return cls.from_dict({**_GGN, **_FLAWS, **parameters})


_GGN = {
    'footprint_size': 20,
    'use_orientation': True,
    'use_globalization': 0.5,
    'rank_method': 3,
    'filter_by_edge_method': 2,
    'nms': 0.2,
    'diversity': 0.0,
}
_FLAWS = {
    'rag': 'legacy',
    'linkage': 'legacy_mean',
    'legacy_edge_filter': True,
    'spectral': 'pixels',
    'spectral_scale': 1.0,
    'topk': 20,
}
_FLOAT_BOUNDS = {
    'edge_thresh': (0.0, 1.0),
    'use_globalization': (0.0, 1.0),
    'gamma': (1e-3, math.inf),
    'spectral_scale': (1e-2, 1.0),
    'join_thresh': (0.0, math.inf),
    'filter_by_edge_thresh': (0.0, math.inf),
    'nms': (0.0, 1.0),
    'diversity': (0.0, 1.0),
}
_INT_BOUNDS = {
    'footprint_size': (2,),
    'nvec': (2,),
    'rank_method': (0, 5),
    'min_component_size': (0,),
    'filter_by_edge_method': (0, 2),
}
_CHOICES = {
    'rag': ('exact', 'legacy'),
    'linkage': LINKAGES,
    'spectral': ('regions', 'pixels'),
}


def _flag(name: str, value: Any) -> bool:
    # Command lines write flags as 0 and 1.
    if isinstance(value, Integral) and value in (0, 1):
        return bool(value)
    raise TypeError(f'{name} must be a bool (or 0 or 1), got {value!r}')


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f'{name} must be a number, got {value!r}')
    _check_range(name, value, low, high)
    return float(value)


def _integer(name: str, value: Any, low: int, high: float = math.inf) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f'{name} must be an integer, got {value!r}')
    _check_range(name, value, low, high)
    return int(value)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high or math.isinf(value):
        limits = f'at least {low}' if math.isinf(high) else f'in [{low}, {high}]'
        raise ValueError(f'{name} must be {limits}, got {value!r}')


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        hint = _suggest(str(value), list(choices))
        raise ValueError(f'{name} cannot be {value!r}; {hint}')


def _suggest(word: str, known: list[str]) -> str:
    """Name the closest known word, or all of them if none is close."""
    close = difflib.get_close_matches(word, known, n=1)
    return f'did you mean {close[0]!r}?' if close else f'known are {", ".join(known)}'
