"""Proposals that somebody else made: boxes or masks in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from ...structures.proposals import Proposals
from ...structures.pseudo_annotation import is_finite_number
from ...utils.io import atomic_open, atomic_write_json
from ...utils.json_stream import open_json
from ...utils.npz import load_npz
from ..reader import load_pseudo_annotations
from ..signature import file_sha256
from .base import FoundBoxes, ProposalProvider

_ARRAYS = {
    'image_ids': ('iu', 1),
    'counts': ('iu', 1),
    'boxes': ('iuf', 2),
    'scores': ('iuf', 1),
}
"""Kinds and dimensions of the arrays of an .npz file of proposals."""


@TASK_UTILS.register_module()
class FileProposals(ProposalProvider):
    """Take the proposals of an image from a file.

    An image that the file does not have gets none.

    Args:
        file (str | Path): What :func:`save_proposals` writes (``.npz``), or a JSON
            file: COCO results (boxes, or masks as RLEs) or pseudo annotations
            (``masks.json``). Masks come along with their boxes.
        **kwargs: Of :class:`ProposalProvider`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken; the message names file, index and key.
    """

    name = 'file'

    def __init__(self, file: str | Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.file = Path(file)
        self._by_image = _read(self.file)
        self._sha256 = file_sha256(self.file)

    @property
    def parameters(self) -> dict[str, Any]:
        """The file, by its content, and the choice among its proposals."""
        return {**super().parameters, 'file_sha256': self._sha256}

    def find(self, image: np.ndarray, image_id: int, file_name: str) -> FoundBoxes:
        """Look up the proposals of one image.

        Raises:
            ValueError: If a mask has another size than the image.
        """
        found = self._by_image.get(image_id)
        if found is None:
            return FoundBoxes(np.empty((0, 4)), np.empty(0))
        boxes, scores, masks = found
        if masks is None:
            return FoundBoxes(boxes, scores)
        for rle in masks:
            if tuple(rle['size']) != image.shape[:2]:
                raise ValueError(
                    f'{self.file}: a mask of image_id {image_id} has size '
                    f'{list(rle["size"])}, {file_name} is {list(image.shape[:2])} '
                    '(height, width)'
                )
        return FoundBoxes(boxes, scores, lambda places: [masks[i] for i in places])


_Found = tuple[np.ndarray, np.ndarray, list | None]
"""Boxes, scores and masks of one image."""


def save_proposals(
    path: str | Path, proposals: Mapping[int, Proposals | FoundBoxes]
) -> None:
    """Write boxes and scores of many images; masks are left out.

    The same proposals give the same bytes.

    Args:
        path (str | Path): An ``.npz`` file, or a ``.json`` file of COCO results, in
            which images without proposals leave no trace.
        proposals (Mapping[int, Proposals | FoundBoxes]): By image id.

    Raises:
        ValueError: If the file is of another kind.
    """
    check_output(path)
    if Path(path).suffix == '.json':
        atomic_write_json(path, _to_results(proposals))
        return
    image_ids = sorted(proposals)
    chosen = [proposals[image_id] for image_id in image_ids]
    arrays = {
        'image_ids': np.array(image_ids, np.int64),
        'counts': np.array([len(found.boxes) for found in chosen], np.int64),
        'boxes': np.concatenate([np.empty((0, 4), 'f4'), *(c.boxes for c in chosen)]),
        'scores': np.concatenate([np.empty(0, 'f4'), *(c.scores for c in chosen)]),
    }
    with atomic_open(path, 'wb') as file:
        np.savez_compressed(file, **arrays)


def check_output(path: str | Path) -> None:
    """Insist that :func:`save_proposals` can write a file of this name.

    Raises:
        ValueError: If not.
    """
    if Path(path).suffix not in ('.npz', '.json'):
        raise ValueError(f'{path}: proposals are written as .npz or .json')


def read_proposals(path: str | Path) -> dict[int, FoundBoxes]:
    """Read the boxes and scores of many images as they stand in a file.

    Args:
        path (str | Path): A file that :class:`FileProposals` takes.

    Returns:
        dict[int, FoundBoxes]: By image id, in the order of the file, without masks.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken; the message names file, index and key.
    """
    found = _read(Path(path))
    return {
        image_id: FoundBoxes(boxes, scores)
        for image_id, (boxes, scores, _) in found.items()
    }


def _to_results(
    proposals: Mapping[int, Proposals | FoundBoxes],
) -> list[dict[str, Any]]:
    results = []
    for image_id in sorted(proposals):
        found = proposals[image_id]
        sizes = found.boxes[:, 2:] - found.boxes[:, :2]
        boxes = np.hstack([found.boxes[:, :2], sizes]).astype(np.float64)
        results += [
            {'image_id': image_id, 'category_id': 1, 'bbox': box, 'score': score}
            for box, score in zip(boxes.tolist(), found.scores.tolist(), strict=True)
        ]
    return results


def _read(path: Path) -> dict[int, _Found]:
    return _read_arrays(path) if path.suffix == '.npz' else _read_json(path)


def _read_arrays(path: Path) -> dict[int, _Found]:
    arrays = load_npz(
        path,
        'file of proposals',
        _ARRAYS,
        'tools/ovis/extract_proposals.py makes one',
    )
    _check_arrays(arrays, path)
    ends = np.cumsum(arrays['counts'])
    boxes = np.split(arrays['boxes'], ends[:-1])
    scores = np.split(arrays['scores'], ends[:-1])
    image_ids = arrays['image_ids'].tolist()
    return {
        image_id: (boxes[i], scores[i], None) for i, image_id in enumerate(image_ids)
    }


def _check_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    for name, (kinds, dimensions) in _ARRAYS.items():
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != dimensions:
            expected = 'integers' if kinds == 'iu' else 'numbers'
            raise ValueError(
                f'{path}: array {name} is {array.dtype} {array.shape}; it must be of '
                f'{expected} in {dimensions} dimensions'
            )
    image_ids, counts = arrays['image_ids'], arrays['counts']
    boxes, scores = arrays['boxes'], arrays['scores']
    if (
        len(image_ids) != len(counts)
        or (len(counts) and counts.min() < 0)
        or boxes.shape != (counts.sum(), 4)
        or len(scores) != len(boxes)
    ):
        raise ValueError(
            f'{path}: {len(image_ids)} image_ids, {len(counts)} counts that sum up to '
            f'{counts.sum()}, boxes {boxes.shape} and {len(scores)} scores do not fit '
            'together'
        )
    if len(np.unique(image_ids)) != len(image_ids):
        raise ValueError(f'{path}: image_ids has an image twice')
    if not np.isfinite(boxes).all() or not np.isfinite(scores).all():
        raise ValueError(f'{path}: boxes and scores must be finite')


def _read_json(path: Path) -> dict[int, _Found]:
    if not _holds_boxes_only(path):
        found = {}
        for image_id, anns in load_pseudo_annotations(path).items():
            boxes = np.array([ann['bbox'] for ann in anns], np.float64)
            scores = np.array([ann['score'] for ann in anns])
            masks = [ann['segmentation'] for ann in anns]
            found[image_id] = (_to_corners(boxes), scores, masks)
        return found
    entries: dict[int, list[tuple[list[float], float]]] = {}
    with open_json(path) as stream:
        for i, result in enumerate(stream.elements()):
            _check_box_result(result, f'{path}[{i}]')
            entry = (result['bbox'], result['score'])
            entries.setdefault(result['image_id'], []).append(entry)
        stream.end()
    return {
        image_id: (
            _to_corners(np.array([box for box, _ in found], np.float64)),
            np.array([score for _, score in found]),
            None,
        )
        for image_id, found in entries.items()
    }


def _holds_boxes_only(path: Path) -> bool:
    """Tell COCO results without masks from everything else, by the first entry."""
    with open_json(path) as stream:
        if stream.kind is not list:
            return False
        first = next(iter(stream.elements()), None)
    return isinstance(first, dict) and 'segmentation' not in first and 'bbox' in first


def _to_corners(boxes: np.ndarray) -> np.ndarray:
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def _check_box_result(result: Any, where: str) -> None:
    rules = {
        'image_id': (lambda value: type(value) is int, 'an integer'),
        'bbox': (_is_box, '[x, y, width, height], four finite numbers'),
        'score': (is_finite_number, 'a finite number'),
    }
    if not isinstance(result, Mapping):
        raise ValueError(f'{where} is a {type(result).__name__}, not a COCO result')
    for key, (check, expected) in rules.items():
        if key not in result:
            raise ValueError(f"{where}: key '{key}' is missing; it must be {expected}")
        if not check(result[key]):
            raise ValueError(
                f"{where}: key '{key}' is {result[key]!r}; it must be {expected}"
            )


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(map(is_finite_number, value))
    )
