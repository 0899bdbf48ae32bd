"""What can be wrong with an annotation, a pseudo annotation or a result."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pycocotools import mask as mask_api

from ...structures.pseudo_annotation import check_pseudo_annotation, is_finite_number
from ...utils.tally import Tally
from ..converters.masks import encode_segmentation
from .images import has_keys

Size = tuple[int, int]

_BOX_SLACK = 1.0
"""Pixels by which a box may leave its image: COCO's own do by rounding."""
_LEAST_BOX_IOU = 0.5
_SMALL_BOX = 100.0
"""Square pixels below which a box is not compared with that of its mask."""


class AnnotationChecker:
    """Checks one annotation after the other.

    Args:
        problems (Tally): Where to count.
        sizes (Mapping[int, Size | None], optional): Of the images, by id; None if the
            images are unknown.
        categories (Collection[int], optional): Their ids; None if unknown.
    """

    def __init__(
        self,
        problems: Tally,
        sizes: Mapping[int, Size | None] | None,
        categories: Collection[int] | None,
    ) -> None:
        self.problems = problems
        self.sizes = sizes
        self.categories = categories
        self.ids: set[int] = set()
        self.image_ids: set[int] = set()
        self.ranks: set[tuple[int, int]] = set()

    def check(self, ann: Any, where: str, kind: str) -> None:
        """Check an entry of kind ``truth``, ``merged``, ``extracted`` or ``result``."""
        required = {
            'truth': ('id', 'image_id', 'category_id', 'bbox', 'area'),
            'merged': ('id', 'image_id'),
            'extracted': ('image_id',),
            'result': ('image_id', 'score'),
        }
        if not has_keys(ann, required[kind], where, self.problems):
            return
        self.image_ids.add(ann['image_id'])
        if 'id' in ann:
            self._check_id(ann['id'], where)
        if kind in ('merged', 'extracted') and not self._check_pseudo(ann, where):
            return
        if kind == 'result' and not {'bbox', 'segmentation'} & ann.keys():
            self.problems.add('result has neither bbox nor segmentation', where)
        self._check_references(ann, where)
        self._check_numbers(ann, where)
        size = None if self.sizes is None else self.sizes.get(ann['image_id'])
        box = ann.get('bbox')
        if box is not None and not self._check_box(box, size, where):
            box = None
        if ann.get('segmentation') is not None:
            self._check_mask(ann['segmentation'], size, box, where)

    def _check_id(self, ann_id: Any, where: str) -> None:
        if ann_id in self.ids:
            self.problems.add('annotation id is used twice', f'{where}: {ann_id}')
        self.ids.add(ann_id)
        if ann_id == 0:
            self.problems.add(
                'annotation id is 0, which pycocotools never counts as found', where
            )

    def _check_pseudo(self, ann: Mapping[str, Any], where: str) -> bool:
        try:
            check_pseudo_annotation(ann, '')
        except ValueError as error:
            key, _, rest = str(error).removeprefix(': ').partition("' ")
            self.problems.add(f"pseudo annotation: {key}'", f"{where}: {key}' {rest}")
            return False
        rank = (ann['image_id'], ann['rank'])
        if rank in self.ranks:
            self.problems.add('rank is used twice in an image', where)
        self.ranks.add(rank)
        return True

    def _check_references(self, ann: Mapping[str, Any], where: str) -> None:
        if self.sizes is not None and ann['image_id'] not in self.sizes:
            self.problems.add('image_id is of no image', f'{where}: {ann["image_id"]}')
        category_id = ann.get('category_id')
        if self.categories is not None and category_id not in self.categories:
            self.problems.add(
                'category_id is of no category', f'{where}: {category_id}'
            )

    def _check_numbers(self, ann: Mapping[str, Any], where: str) -> None:
        if 'area' in ann and not (is_finite_number(ann['area']) and ann['area'] > 0):
            self.problems.add('area is no positive number', f'{where}: {ann["area"]!r}')
        if 'score' in ann and not is_finite_number(ann['score']):
            self.problems.add('score is no finite number', f'{where}: {ann["score"]!r}')
        if ann.get('iscrowd', 0) not in (0, 1):
            self.problems.add('iscrowd is neither 0 nor 1', where)

    def _check_box(self, box: Any, size: Size | None, where: str) -> bool:
        if not (
            isinstance(box, list) and len(box) == 4 and all(map(is_finite_number, box))
        ):
            self.problems.add('bbox is not four finite numbers', f'{where}: {box!r}')
            return False
        x, y, w, h = box
        if w <= 0 or h <= 0:
            self.problems.add('bbox has no width or no height', f'{where}: {box}')
            return False
        if size is not None and (
            min(x, y) < -_BOX_SLACK
            or x + w > size[1] + _BOX_SLACK
            or y + h > size[0] + _BOX_SLACK
        ):
            self.problems.add(
                'bbox leaves the image (is it x, y, width, height?)', f'{where}: {box}'
            )
        return True

    def _check_mask(
        self, segmentation: Any, size: Size | None, box: Any, where: str
    ) -> None:
        if size is None:
            size = _own_size(segmentation)
            if size is None:
                return
        try:
            rle = encode_segmentation(segmentation, size)
        except ValueError as fault:
            self.problems.add(str(fault), where)
            return
        if not mask_api.area(rle):
            self.problems.add('mask is empty', where)
        elif box is not None and box[2] * box[3] >= _SMALL_BOX:
            mask_box = mask_api.toBbox(rle)[None]
            overlap = mask_api.iou(mask_box, [[float(side) for side in box]], [0])
            if overlap[0, 0] < _LEAST_BOX_IOU:
                self.problems.add('bbox and mask are at different places', where)


def _own_size(segmentation: Any) -> Size | None:
    """Size that an RLE claims; polygons claim none."""
    if not isinstance(segmentation, Mapping):
        return None
    size = segmentation.get('size')
    good = isinstance(size, list) and len(size) == 2
    return (size[0], size[1]) if good and all(map(is_finite_number, size)) else None
