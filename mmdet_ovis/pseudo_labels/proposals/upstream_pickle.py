"""Proposals and pseudo labels of the original Mask-free OVIS, which are pickles.

Source: Mask-free OVIS (VS et al., CVPR 2023).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from ...structures.pseudo_annotation import is_finite_number
from ..signature import file_sha256
from .array_pickle import KINDS, load_array_pickle
from .base import FoundBoxes, ProposalProvider

_INFO_SUFFIX = '_info.pkl'


@dataclass(frozen=True)
class UpstreamInstance:
    """One pseudo label of the original.

    Attributes:
        name (str): Canonical name of its class.
        box (tuple[int, int, int, int]): x1, y1, x2, y2 in pixels, the ends exclusive.
        score (float): Activation in the box over the square root of its area.
        polygons (list[list[int]]): Outlines of its mask, x and y in turn.
    """

    name: str
    box: tuple[int, int, int, int]
    score: float
    polygons: list[list[int]]


@TASK_UTILS.register_module()
class UpstreamPickleProposals(ProposalProvider):
    """Read proposals in the layout of the original: two pickles an image.

    ``<folder>/<file name without suffix>.pkl`` holds a list over classes of arrays
    (n, 5) with x1, y1, x2, y2 and score (per-class results of MMDetection 2), and
    ``..._info.pkl`` beside it a dict with ``ori_shape``. Classes and scores are
    ignored, so that with the defaults proposals keep their order. An image without
    files gets none.

    Args:
        folder (str | Path): Root of the files.
        top_k (int, optional): Defaults to None, all of them.
        nms_iou (float, optional): Defaults to None, no suppression.
        **kwargs: Of :class:`ProposalProvider`.

    Raises:
        FileNotFoundError: If there is no such folder, or no proposals in it.
    """

    name = 'upstream'

    def __init__(
        self,
        folder: str | Path,
        top_k: int | None = None,
        nms_iou: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(top_k=top_k, nms_iou=nms_iou, **kwargs)
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f'no such folder of proposals: {folder}')
        if next(self.folder.rglob(f'*{_INFO_SUFFIX}'), None) is None:
            raise FileNotFoundError(
                f'{folder} has no file *{_INFO_SUFFIX}; proposals of the original are '
                f'NAME.pkl and NAME{_INFO_SUFFIX} for each image'
            )

    @property
    def parameters(self) -> dict[str, Any]:
        """The files, by their contents, and the choice among their proposals."""
        return {**super().parameters, 'files_sha256': self._sha256}

    @cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(self.folder.rglob('*.pkl')):
            name = path.relative_to(self.folder).as_posix()
            digest.update(f'{file_sha256(path)} {name}\n'.encode())
        return digest.hexdigest()

    def find(self, image: np.ndarray, image_id: int, file_name: str) -> FoundBoxes:
        """Read the files of one image.

        Raises:
            ValueError: If a file is refused or damaged, or of an image of another size.
        """
        path = self.folder / Path(file_name).with_suffix('.pkl')
        if not path.is_file():
            return FoundBoxes(np.empty((0, 4)), np.empty(0))
        boxes, size = read_upstream_proposals(path)
        if size != image.shape[:2]:
            raise ValueError(
                f'{_info_path(path)}: ori_shape is {list(size)}, {file_name} is '
                f'{list(image.shape[:2])} (height, width)'
            )
        return FoundBoxes(boxes, np.zeros(len(boxes)))


def read_upstream_proposals(
    path: str | Path,
) -> tuple[np.ndarray, tuple[int, int]]:
    """Read the proposals of one image and its ``_info.pkl``.

    Args:
        path (str | Path): The file of the boxes.

    Returns:
        tuple[np.ndarray, tuple[int, int]]: Boxes (N, 4) float32 xyxy of all classes, as
        they stand, and the height and width of the image.

    Raises:
        FileNotFoundError: If one of the two files is missing.
        ValueError: If one is refused, damaged or of another layout.
    """
    path = Path(path)
    classes = load_array_pickle(path)
    if not isinstance(classes, (list, tuple)):
        raise ValueError(
            f'{path} holds a {type(classes).__name__}, not a list over classes of '
            'arrays (n, 5)'
        )
    found = [np.empty((0, 4), np.float32)]
    for i, boxes in enumerate(classes):
        boxes = _as_array(boxes, f'{path}[{i}]')
        if not boxes.size:
            continue
        if boxes.dtype.kind not in KINDS or boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ValueError(
                f'{path}[{i}]: boxes of a class are an array (n, 5) of numbers, not '
                f'{boxes.dtype} {boxes.shape}'
            )
        found.append(boxes[:, :4].astype(np.float32))
    return np.concatenate(found), _read_size(_info_path(path))


def read_upstream_pseudo_labels(path: str | Path) -> list[UpstreamInstance]:
    """Read ``<image>_pseudo_label.pkl`` of the original.

    Args:
        path (str | Path): The file.

    Returns:
        list[UpstreamInstance]: In the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is refused, damaged or of another layout.
    """
    content = load_array_pickle(path)
    if not isinstance(content, list):
        raise ValueError(f'{path} holds a {type(content).__name__}, not a list')
    return [_to_instance(entry, f'{path}[{i}]') for i, entry in enumerate(content)]


def _info_path(path: Path) -> Path:
    return path.with_name(path.stem + _INFO_SUFFIX)


def _read_size(path: Path) -> tuple[int, int]:
    info = load_array_pickle(path)
    if not isinstance(info, dict) or 'ori_shape' not in info:
        raise ValueError(f"{path} is not a dict with 'ori_shape'")
    shape = _as_array(info['ori_shape'], f"{path}: 'ori_shape'")
    if shape.dtype.kind not in 'iu' or shape.ndim != 1 or len(shape) not in (2, 3):
        raise ValueError(
            f"{path}: 'ori_shape' is (height, width) or (height, width, channels), not "
            f'{info["ori_shape"]!r}'
        )
    return int(shape[0]), int(shape[1])


def _as_array(value: Any, where: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f'{where} is no array: its rows differ in length') from None


def _to_instance(entry: Any, where: str) -> UpstreamInstance:
    try:
        name, box, score, polygons = entry
        x1, y1, x2, y2 = map(_to_int, box)
        outlines = [[_to_int(number) for number in polygon] for polygon in polygons]
        if not isinstance(name, str) or not is_finite_number(score):
            raise TypeError
        return UpstreamInstance(name, (x1, y1, x2, y2), float(score), outlines)
    except (TypeError, ValueError):
        raise ValueError(
            f'{where} is not a pseudo label (name, [x1, y1, x2, y2], score, polygons), '
            'all numbers finite'
        ) from None


def _to_int(value: Any) -> int:
    if not is_finite_number(value):
        raise TypeError
    return int(value)
