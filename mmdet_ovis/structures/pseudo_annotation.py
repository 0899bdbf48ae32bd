"""What a pseudo annotation is: a COCO annotation that no human drew.

The schema that every source of pseudo labels writes and every reader checks. It is
the format of GGN (Wang et al., CVPR 2022) with the keys that COCO itself requires.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Final

import numpy as np
from typing_extensions import NotRequired, TypedDict

from .run_lengths import decode_run_lists, decode_runs

PSEUDO_DEFAULTS: Final = {'iscrowd': 0, 'pseudo': 1, 'source': 'unknown'}
"""Values of the keys that older files lack."""

_PSEUDO_KEYS: Final = ('score', 'rank', 'gt_iou')


class RLE(TypedDict):
    """A mask in COCO's compressed run-length encoding."""

    size: list[int]  # height, width
    counts: str


class PseudoAnnotation(TypedDict):
    """One pseudo mask of one image, ready for JSON."""

    image_id: int
    category_id: int
    segmentation: RLE  # at the size of the original image
    bbox: list[float]  # x, y, width, height in pixels
    area: float  # pixels
    score: float  # higher is better; the range depends on the source
    rank: int  # 0 is the best of the image
    gt_iou: float | None  # best IoU with a seen instance, 0 if there is none; None
    # where nobody has compared yet
    iscrowd: NotRequired[int]  # always 0
    pseudo: NotRequired[int]  # always 1
    source: NotRequired[str]  # 'pa', 'gradcam', 'teacher', ...
    word: NotRequired[str]  # what the mask shows, where the source knows
    orig_shape: NotRequired[list[int]]  # of an image that the mask is not as large as


def is_pseudo(ann: Mapping[str, Any]) -> bool:
    """Tell a pseudo annotation from ground truth in one COCO file.

    Examples:
        >>> is_pseudo({'id': 1, 'bbox': [0, 0, 2, 2]})
        False
        >>> is_pseudo({'id': 1, 'bbox': [0, 0, 2, 2], 'score': 0.5})
        True
    """
    return bool(ann.get('pseudo')) or any(key in ann for key in _PSEUDO_KEYS)


def check_pseudo_annotation(ann: Any, where: str) -> None:
    """Check one annotation against the schema.

    Args:
        ann (Any): What should be a :class:`PseudoAnnotation`.
        where (str): File and index for the message, for example
            ``'masks.json[3][0]'``.

    Raises:
        ValueError: With place, key, what is wrong and what would be right.

    Examples:
        >>> where = 'masks.json[0][2]'
        >>> check_pseudo_annotation({'image_id': 1}, where)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: masks.json[0][2]: key 'category_id' is missing; ...
    """
    _check_keys(ann, where)
    check_rle(ann['segmentation'], where)


def check_pseudo_annotations(anns: Sequence[Any], places: Sequence[str]) -> None:
    """Check several annotations, faster than one after the other.

    Args:
        anns (Sequence[Any]): What should be :class:`PseudoAnnotation`.
        places (Sequence[str]): File and index of each for the message.

    Raises:
        ValueError: As :func:`check_pseudo_annotation`.
    """
    for ann, where in zip(anns, places, strict=True):
        _check_keys(ann, where)
        _check_rle_keys(ann['segmentation'], where)
    if not _are_whole([ann['segmentation'] for ann in anns]):
        for ann, where in zip(anns, places, strict=True):
            check_rle(ann['segmentation'], where)


def _check_keys(ann: Any, where: str) -> None:
    if not isinstance(ann, Mapping):
        raise ValueError(
            f'{where}: a pseudo annotation is a dict, not {_show(ann)}; is this a file '
            'of tools/extract_pa_masks.py or tools/merge_annotations.py?'
        )
    for key, (check, expected) in _REQUIRED.items():
        if key not in ann:
            raise ValueError(f"{where}: key '{key}' is missing; it must be {expected}")
        if not check(ann[key]):
            raise ValueError(
                f"{where}: key '{key}' is {_show(ann[key])}; it must be {expected}"
            )
    for key, (check, expected) in _OPTIONAL.items():
        if key in ann and not check(ann[key]):
            raise ValueError(
                f"{where}: key '{key}' is {_show(ann[key])}; it must be {expected}"
            )


def check_rle(rle: Any, where: str) -> None:
    """Check that a compressed RLE describes exactly ``size`` pixels.

    pycocotools does not check this when it decodes: runs that end too early leave
    uninitialised memory in the mask.

    Args:
        rle (Any): What should be an :class:`RLE`.
        where (str): Place for the message.

    Raises:
        ValueError: With place, key and reason.
    """
    _check_rle_keys(rle, where)
    size, counts = rle['size'], rle['counts']
    runs = decode_runs(counts)
    if runs is None or (runs < 0).any() or runs.sum() != size[0] * size[1]:
        covered = 'nothing' if runs is None else f'{int(runs.sum())} pixels'
        raise ValueError(
            f"{where}: key 'segmentation.counts' is not an RLE of size {list(size)} "
            f'(it covers {covered} of {size[0] * size[1]}); is the file damaged?'
        )


def _are_whole(rles: Sequence[RLE]) -> bool:
    """Tell whether each RLE describes exactly ``size`` pixels."""
    if not rles:
        return True
    decoded = decode_run_lists([rle['counts'] for rle in rles])
    if decoded is None:
        return False
    runs, first = decoded
    pixels = [rle['size'][0] * rle['size'][1] for rle in rles]
    return bool((runs >= 0).all() and (np.add.reduceat(runs, first) == pixels).all())


def _check_rle_keys(rle: Any, where: str) -> None:
    if not isinstance(rle, Mapping) or not {'size', 'counts'} <= rle.keys():
        raise ValueError(
            f"{where}: key 'segmentation' is {_show(rle)}; it must be a compressed RLE "
            "{'size': [height, width], 'counts': str}"
        )
    size, counts = rle['size'], rle['counts']
    if not _is_size(size):
        raise ValueError(
            f"{where}: key 'segmentation.size' is {_show(size)}; it must be "
            '[height, width], two positive integers'
        )
    if not isinstance(counts, str):
        raise ValueError(
            f"{where}: key 'segmentation.counts' is a {type(counts).__name__}; it must "
            'be a str (compressed RLE, decoded from ASCII)'
        )


# The types that JSON gives come first: asking an abstract class takes longer.
def _is_int(value: Any) -> bool:
    return type(value) is int or (
        isinstance(value, Integral) and not isinstance(value, bool)
    )


def is_finite_number(value: Any) -> bool:
    """Tell numbers that are finite, also as floats, from everything else.

    Examples:
        >>> [is_finite_number(x) for x in (1, 0.5, math.nan, 10**400, True, '1')]
        [True, True, False, False, False, False]
    """
    plain = type(value) is float or type(value) is int
    real = plain or (isinstance(value, Real) and not isinstance(value, bool))
    try:
        return real and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(_is_int(side) and side > 0 for side in value)
    )


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 4
        and all(is_finite_number(number) for number in value)
        and value[2] > 0
        and value[3] > 0
    )


def _show(value: Any, limit: int = 60) -> str:
    text = f'{type(value).__name__} {value!r}'
    return text if len(text) <= limit else f'{text[:limit]}...'


_Rule = tuple[Callable[[Any], bool], str]
_REQUIRED: Final[dict[str, _Rule]] = {
    'image_id': (_is_int, 'an integer, the id of the image'),
    'category_id': (_is_int, 'an integer, a category of the annotation file'),
    'segmentation': (
        lambda value: isinstance(value, Mapping),
        "a compressed RLE {'size': [height, width], 'counts': str}",
    ),
    'bbox': (_is_box, '[x, y, width, height], four numbers, the last two positive'),
    'area': (
        lambda value: is_finite_number(value) and value > 0,
        'a positive number, the pixels of the mask',
    ),
    'score': (is_finite_number, 'a finite number'),
    'rank': (
        lambda value: _is_int(value) and value >= 0,
        'an integer >= 0, where 0 is the best mask of the image',
    ),
    'gt_iou': (
        lambda value: value is None or (is_finite_number(value) and 0 <= value <= 1),
        'a number in [0, 1], or null where nobody has compared',
    ),
}
_OPTIONAL: Final[dict[str, _Rule]] = {
    'iscrowd': (lambda value: value == 0, '0'),
    'pseudo': (lambda value: value == 1, '1'),
    'source': (lambda value: isinstance(value, str), "a str such as 'pa'"),
    'word': (lambda value: isinstance(value, str), 'a str'),
}
