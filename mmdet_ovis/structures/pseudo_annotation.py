"""What a pseudo annotation is: a COCO annotation that no human drew.

The schema that every source of pseudo labels writes and every reader checks. It is
the format of GGN (Wang et al., CVPR 2022) with the keys that COCO itself requires.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, Final

import numpy as np
from typing_extensions import NotRequired, TypedDict

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
    gt_iou: float  # best IoU with a seen instance, 0 if there is none
    iscrowd: NotRequired[int]  # always 0
    pseudo: NotRequired[int]  # always 1
    source: NotRequired[str]  # 'pa', 'gradcam', 'teacher', ...
    word: NotRequired[str]  # what the mask shows, where the source knows


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
    check_rle(ann['segmentation'], where)


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
    runs = decode_runs(counts)
    if runs is None or (runs < 0).any() or runs.sum() != size[0] * size[1]:
        covered = 'nothing' if runs is None else f'{int(runs.sum())} pixels'
        raise ValueError(
            f"{where}: key 'segmentation.counts' is not an RLE of size {list(size)} "
            f'(it covers {covered} of {size[0] * size[1]}); is the file damaged?'
        )


def decode_runs(counts: str) -> np.ndarray | None:
    """Decode the run lengths of a compressed RLE.

    COCO writes each run as little-endian groups of five bits, one ASCII character a
    group with bit 5 as continuation flag and two's complement at the end; from the
    fourth run on it is the difference from the run two before.

    Args:
        counts (str): The compressed text.

    Returns:
        np.ndarray | None: Run lengths (n,) int64, background first; None if the text
        is not one.

    Examples:
        >>> decode_runs('52203')  # 5 background, 2 mask, 2 background, 0 + 2, 3 + 2
        array([5, 2, 2, 2, 5])
    """
    try:
        groups = np.frombuffer(counts.encode('ascii'), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        return None
    if not groups.size or groups.min() < 0 or groups.max() > 63 or groups[-1] & 32:
        return None
    ends = np.flatnonzero((groups & 32) == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > 7:  # 35 bits hold any image
        return None
    place = np.arange(groups.size) - np.repeat(starts, lengths)
    values = np.add.reduceat((groups & 31) << (5 * place), starts)
    values -= ((groups[ends] & 16) != 0).astype(np.int64) << (5 * lengths)
    runs = values.copy()
    runs[1::2] = np.cumsum(values[1::2])
    runs[2::2] = np.cumsum(values[2::2])
    return runs


def _is_int(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    )


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
        and all(_is_number(number) for number in value)
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
        lambda value: _is_number(value) and value > 0,
        'a positive number, the pixels of the mask',
    ),
    'score': (_is_number, 'a finite number'),
    'rank': (
        lambda value: _is_int(value) and value >= 0,
        'an integer >= 0, where 0 is the best mask of the image',
    ),
    'gt_iou': (
        lambda value: _is_number(value) and 0 <= value <= 1,
        'a number in [0, 1], 0 where nothing was compared',
    ),
}
_OPTIONAL: Final[dict[str, _Rule]] = {
    'iscrowd': (lambda value: value == 0, '0'),
    'pseudo': (lambda value: value == 1, '1'),
    'source': (lambda value: isinstance(value, str), "a str such as 'pa'"),
    'word': (lambda value: isinstance(value, str), 'a str'),
}
