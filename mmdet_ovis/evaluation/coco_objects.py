"""Objects and detections of COCO files, image by image.

The readers check what they read and say which file, entry and key is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..structures.pseudo_annotation import is_finite_number
from .coco_shapes import Shapes, read_shapes


@dataclass(frozen=True)
class Objects:
    """Annotated objects of one image, by category and then by place in the file.

    Attributes:
        shapes (Shapes): n boxes or masks.
        areas (NDArray[np.float64]): Shape (n,), the ``area`` of the annotations.
        crowd (NDArray[np.bool_]): Shape (n,).
        category_ids (NDArray[np.int64]): Shape (n,).
    """

    shapes: Shapes
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    category_ids: NDArray[np.int64]


@dataclass(frozen=True)
class Detections:
    """Scored regions of one image, in any order.

    Attributes:
        shapes (Shapes): n boxes or masks.
        scores (NDArray[np.float64]): Shape (n,), finite.
        category_ids (NDArray[np.int64]): Shape (n,). They only order equal scores, as
            in COCO's evaluation without categories.
    """

    shapes: Shapes
    scores: NDArray[np.float64]
    category_ids: NDArray[np.int64]

    def best(self, k: int) -> Detections:
        """Return at most k detections, sorted by score."""
        order = np.lexsort((self.category_ids, -self.scores))[:k]
        if isinstance(self.shapes, list):
            shapes: Shapes = [self.shapes[i] for i in order]
        else:
            shapes = self.shapes[order]
        return Detections(shapes, self.scores[order], self.category_ids[order])


class GroundTruth:
    """Annotations of a COCO file.

    Args:
        dataset (Mapping): The parsed file, with the lists ``images``, ``annotations``
            and ``categories``.
        where (str): What to call it in messages, usually the path.

    Attributes:
        categories (dict[int, str]): Names by category id.
        sizes (dict[int, tuple[int, int]]): Height and width by image id.
        absent (dict[int, set[int]]): By image id the categories that are known not to
            be there (``neg_category_ids``), for images that say so.

    Raises:
        ValueError: If an entry lacks a key, or an annotation names an image or a
            category that the file lacks.
    """

    def __init__(self, dataset: Mapping, where: str) -> None:
        self.where = where
        self.categories: dict[int, str] = {}
        for i, category in enumerate(dataset['categories']):
            _need(category, ('id', 'name'), f'{where}: categories[{i}]')
            self.categories[category['id']] = category['name']
        self.sizes: dict[int, tuple[int, int]] = {}
        self.absent: dict[int, set[int]] = {}
        for i, image in enumerate(dataset['images']):
            _need(image, ('id', 'height', 'width'), f'{where}: images[{i}]')
            self.sizes[image['id']] = image['height'], image['width']
            if 'neg_category_ids' in image:
                self.absent[image['id']] = set(image['neg_category_ids'])
        self._annotations = dataset['annotations']
        self._by_image: dict[int, list[int]] = defaultdict(list)
        for i, annotation in enumerate(self._annotations):
            self._check(annotation, self._name(i))
            self._by_image[annotation['image_id']].append(i)

    def _name(self, index: int) -> str:
        return f'{self.where}: annotations[{index}]'

    def _check(self, annotation: Any, name: str) -> None:
        _need(annotation, ('image_id', 'category_id', 'area'), name)
        if annotation['image_id'] not in self.sizes:
            raise ValueError(f"{name}: no image has 'id' {annotation['image_id']}")
        if annotation['category_id'] not in self.categories:
            raise ValueError(
                f"{name}: no category has 'id' {annotation['category_id']}"
            )

    @property
    def image_ids(self) -> list[int]:
        """Ids of all images, ascending."""
        return sorted(self.sizes)

    def category_ids(self, image_id: int) -> set[int]:
        """Return the categories of the objects of one image, crowds included."""
        found = self._by_image.get(image_id, ())
        return {self._annotations[i]['category_id'] for i in found}

    def check_image_id(self, image_id: int, name: str) -> None:
        """Raise ``ValueError`` if the file has no such image."""
        if image_id not in self.sizes:
            raise ValueError(
                f"{name}: 'image_id' {image_id} is not an image of {self.where}; are "
                'these results of another dataset?'
            )

    def objects(self, image_id: int, iou_type: str) -> Objects:
        """Return the objects of one image, with ``'bbox'`` or ``'segm'`` shapes.

        Raises:
            ValueError: If an annotation has no usable shape of that kind.
        """
        indices = sorted(
            self._by_image.get(image_id, ()),
            key=lambda i: self._annotations[i]['category_id'],
        )
        found = [self._annotations[i] for i in indices]
        return Objects(
            shapes=read_shapes(
                found, iou_type, self.sizes[image_id], lambda i: self._name(indices[i])
            ),
            areas=np.array([x['area'] for x in found], dtype=np.float64),
            crowd=np.array([x.get('iscrowd', 0) for x in found], dtype=bool),
            category_ids=np.array([x['category_id'] for x in found], dtype=np.int64),
        )


class Results:
    """Detections of a COCO results file.

    Args:
        content (Any): The parsed file: a list of results; an annotation file whose
            annotations carry a ``score``; or a list that holds one list an image.
        ground_truth (GroundTruth): The annotations of the images.
        where (str): What to call the results in messages, usually the path.

    Raises:
        ValueError: If the form is another one, a result lacks ``image_id`` or a finite
            ``score``, or its image is not in the ground truth.
    """

    def __init__(self, content: Any, ground_truth: GroundTruth, where: str) -> None:
        self.where = where
        self._sizes = ground_truth.sizes
        self._results, self._names = _flatten(content, where)
        self._by_image: dict[int, list[int]] = defaultdict(list)
        for i, result in enumerate(self._results):
            self._check(result, i)
            if result['image_id'] not in ground_truth.sizes:
                ground_truth.check_image_id(result['image_id'], self._name(i))
            self._by_image[result['image_id']].append(i)

    def _name(self, index: int) -> str:
        return f'{self.where}: {self._names(index)}'

    def _check(self, result: Any, index: int) -> None:
        if not isinstance(result, dict) or not {'image_id', 'score'} <= result.keys():
            _need(result, ('image_id', 'score'), self._name(index))
        score = result['score']
        if not is_finite_number(score):
            raise ValueError(
                f"{self._name(index)}: 'score' must be a finite number, got {score!r}"
            )

    @property
    def image_ids(self) -> set[int]:
        """Ids of the images that have results."""
        return set(self._by_image)

    def count_categories(self) -> dict[int, int]:
        """Count the results by category.

        Raises:
            ValueError: If a result does not say of which category it is.
        """
        counts: dict[int, int] = {}
        for i, result in enumerate(self._results):
            category_id = result.get('category_id')
            if type(category_id) is not int:
                raise ValueError(
                    f"{self._name(i)}: 'category_id' must be an integer, got "
                    f'{category_id!r}'
                )
            counts[category_id] = counts.get(category_id, 0) + 1
        return counts

    def detections(self, image_id: int, iou_type: str) -> Detections:
        """Return the detections of one image, with ``'bbox'`` or ``'segm'`` shapes.

        Raises:
            ValueError: If a result has no usable shape of that kind.
        """
        indices = self._by_image.get(image_id, ())
        found = [self._results[i] for i in indices]
        return Detections(
            read_shapes(
                found, iou_type, self._sizes[image_id], lambda i: self._name(indices[i])
            ),
            np.array([x['score'] for x in found], dtype=np.float64),
            np.array([x.get('category_id', 0) for x in found], dtype=np.int64),
        )


def _flatten(content: Any, where: str) -> tuple[Sequence, Any]:
    """Return the results of the three accepted forms and what names the i-th."""
    if isinstance(content, Mapping):
        if not isinstance(content.get('annotations'), list):
            raise ValueError(f"{where} is an object without a list 'annotations'")
        return content['annotations'], lambda i: f'annotations[{i}]'
    if not isinstance(content, list):
        raise ValueError(f'{where} is neither a list of results nor an annotation file')
    if not content or not all(isinstance(image, list) for image in content):
        return content, lambda i: f'[{i}]'
    starts = np.cumsum([0, *map(len, content)])

    def name(index: int) -> str:
        image = int(np.searchsorted(starts, index, side='right')) - 1
        return f'[{image}][{index - starts[image]}]'

    return list(chain.from_iterable(content)), name


def _need(entry: Any, keys: Sequence[str], name: str) -> None:
    if not isinstance(entry, Mapping):
        raise ValueError(f'{name} is not an object')
    for key in keys:
        if key not in entry:
            raise ValueError(f"{name} has no '{key}'")
