"""Average precision of base and novel classes on a COCO file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from terminaltables import AsciiTable

from ..structures.base_novel import BaseNovel
from ..utils.settings import check_choice
from .class_curves import MAX_DETS, RegionsByClass, accumulate_class
from .coco_objects import Detections, GroundTruth
from .coco_shapes import shape_areas
from .functional.matching import IOU_THRESHOLDS
from .functional.open_vocabulary import average_precision_by_class, summarize_groups
from .functional.recall_summary import RECALL_POINTS

CONSTRAINED = ('base', 'novel')
"""Groups that can be evaluated as if there were no other classes."""


def check_constrained(constrained: str | None) -> None:
    """Raise ``ValueError`` if there is no such setting."""
    check_choice('constrained', constrained, (None, *CONSTRAINED))


@dataclass(frozen=True)
class EvaluatedClasses:
    """Which classes and images are evaluated, and what the keys are called.

    Args:
        names (dict[int, str]): Names by category id, ascending.
        groups (dict[str, set[int]]): Category ids by group.
        image_ids (list[int]): Images with an object of these classes, ascending.
        prefix (str): Of the keys: ``'constrained_'`` where one group is alone.
    """

    names: dict[int, str]
    groups: dict[str, set[int]]
    image_ids: list[int]
    prefix: str = ''

    @classmethod
    def of(
        cls,
        truth: GroundTruth,
        vocabulary: Mapping[int, str],
        base_novel: BaseNovel,
        constrained: str | None = None,
    ) -> EvaluatedClasses:
        """Choose classes and images that belong together.

        Args:
            truth (GroundTruth): Annotations of the images.
            vocabulary (Mapping[int, str]): Classes that were predicted, by category id.
            base_novel (BaseNovel): Which of them are base and novel classes.
            constrained (str, optional): ``'base'`` or ``'novel'``: evaluate this group
                only, on images with an object of it. Defaults to None: all classes
                compete (the generalized setting).

        Raises:
            ValueError: If the setting is unknown, or no class or no image is left.
        """
        check_constrained(constrained)
        names = dict(sorted(vocabulary.items()))
        by_group = {
            group: {i for i, name in names.items() if base_novel.group(name) == group}
            for group in CONSTRAINED
        }
        if constrained is not None:
            names = {i: name for i, name in names.items() if i in by_group[constrained]}
            groups = {constrained: by_group[constrained]}
        else:
            groups = {**by_group, 'all': set(names)}
        if not names:
            what = constrained or 'predicted'
            raise ValueError(f'{truth.where}: none of its categories is a {what} class')
        image_ids = [
            image_id
            for image_id in truth.image_ids
            if truth.category_ids(image_id) & names.keys()
        ]
        if not image_ids:
            raise ValueError(f'{truth.where}: no image has an object of these classes')
        return cls(names, groups, image_ids, 'constrained_' if constrained else '')

    def group_of(self, category_id: int) -> str:
        """Return the first group that a class belongs to, ``''`` if it is in none."""
        found = (g for g in CONSTRAINED if category_id in self.groups.get(g, ()))
        return next(found, '')


@dataclass(frozen=True)
class VocabularyScores:
    """Numbers of one IoU type.

    Args:
        metrics (dict[str, float]): Keys of
            `functional.open_vocabulary.summarize_groups` behind the IoU type:
            ``segm_novel_AP50``, or ``segm_constrained_novel_AP50``, and so on.
        ap50 (dict[int, float]): AP50 by category id, -1.0 without an object.
    """

    metrics: dict[str, float]
    ap50: dict[int, float]


def evaluate_open_vocabulary(
    truth: GroundTruth,
    detections: Callable[[int, str], Detections],
    classes: EvaluatedClasses,
    iou_type: str,
    verified: Mapping[int, set[int]] | None = None,
) -> VocabularyScores:
    """Evaluate detections with pycocotools.

    Detections of other classes and on other images do not count.

    Args:
        truth (GroundTruth): Annotations of all images.
        detections (Callable): From image id and IoU type to the detections there; their
            ``category_ids`` are those of ``truth``.
        classes (EvaluatedClasses): What is evaluated.
        iou_type (str): ``'bbox'`` or ``'segm'``.
        verified (Mapping[int, set[int]], optional): Result of `verified_classes`:
            drop detections of classes that nobody has verified on their image.

    Returns:
        VocabularyScores: Fractions in [0, 1], -1.0 where there is nothing to measure.

    Raises:
        ValueError: If an annotation or a detection has no usable shape of that kind.
    """
    objects, found = RegionsByClass(classes.names), RegionsByClass(classes.names)
    for image_id in classes.image_ids:
        of_image = truth.objects(image_id, iou_type)
        more = [{'iscrowd': int(crowd)} for crowd in of_image.crowd]
        objects.add(image_id, of_image, of_image.areas, more, classes.names.keys())
        of_image = detections(image_id, iou_type)
        areas = shape_areas(of_image.shapes)
        more = [{'iscrowd': 0, 'score': score} for score in of_image.scores.tolist()]
        allowed = classes.names.keys()
        if verified is not None:
            allowed = allowed & verified[image_id]
        found.add(image_id, of_image, areas, more, allowed)
    ids = list(classes.names)
    precision, recall = _curves(objects, found, ids, iou_type, truth)
    groups = {
        group: np.array([i in members for i in ids])
        for group, members in classes.groups.items()
    }
    metrics = summarize_groups(precision, recall, groups)
    ap50 = average_precision_by_class(precision, 'AP50')
    return VocabularyScores(
        {f'{iou_type}_{classes.prefix}{key}': x for key, x in metrics.items()},
        dict(zip(ids, ap50.tolist(), strict=True)),
    )


def _curves(
    objects: RegionsByClass,
    found: RegionsByClass,
    ids: Sequence[int],
    iou_type: str,
    truth: GroundTruth,
) -> tuple[NDArray[np.float64], dict[int, NDArray[np.float64]]]:
    """Return precision (10, 101, C) and, by budget, recall (10, C) of C classes.

    One class after the other: pycocotools keeps something for each pair of an image and
    a class, which is too much for a thousand classes.
    """
    precision = np.full((len(IOU_THRESHOLDS), len(RECALL_POINTS), len(ids)), -1.0)
    recall = {k: np.full((len(IOU_THRESHOLDS), len(ids)), -1.0) for k in MAX_DETS}
    for column, i in enumerate(ids):
        if not objects.entries[i]:
            continue
        of_class = accumulate_class(
            objects.index(i, truth), found.index(i, truth), iou_type
        )
        precision[..., column] = of_class[0]
        for budget, values in zip(MAX_DETS, of_class[1].T, strict=True):
            recall[budget][:, column] = values
    return precision, recall


def verified_classes(truth: GroundTruth) -> dict[int, set[int]]:
    """Say which classes have been looked for on which image.

    They are those of the objects of the image, and those that are known to be absent:
    ``neg_category_ids`` of the image, as in LVIS and in what
    ``tools/dataset_converters/openimages_to_coco.py --image-labels`` writes.

    Args:
        truth (GroundTruth): Annotations.

    Returns:
        dict[int, set[int]]: Category ids by image id.

    Raises:
        ValueError: If no image says what is absent.
    """
    if not truth.absent:
        raise ValueError(
            f"{truth.where}: no image has 'neg_category_ids', the classes that are "
            'known to be absent from it; openimages_to_coco.py --image-labels writes '
            'them'
        )
    return {
        image_id: truth.category_ids(image_id) | truth.absent.get(image_id, set())
        for image_id in truth.image_ids
    }


def format_groups(metrics: Mapping[str, float], iou_types: Sequence[str]) -> str:
    """Lay out the numbers of the groups as a table, in percent.

    Args:
        metrics (Mapping[str, float]): Those of all IoU types.
        iou_types (Sequence[str]): Which there are.
    """
    first = f'{iou_types[0]}_'
    keys = [key.removeprefix(first) for key in metrics if key.startswith(first)]
    rows = [
        [key, *(_percent(metrics[f'{t}_{key}']) for t in iou_types)] for key in keys
    ]
    table = AsciiTable([['', *iou_types], *rows])
    table.justify_columns = dict.fromkeys(range(1, len(iou_types) + 1), 'right')
    return table.table


def format_classes(
    scores: Mapping[str, VocabularyScores], classes: EvaluatedClasses
) -> str:
    """Lay out the AP50 of each class as a table, in percent.

    Args:
        scores (Mapping[str, VocabularyScores]): By IoU type.
        classes (EvaluatedClasses): What was evaluated.
    """
    head = ['class', 'group', *(f'{iou_type} AP50' for iou_type in scores)]
    rows = [
        [name, classes.group_of(i), *(_percent(x.ap50[i]) for x in scores.values())]
        for i, name in classes.names.items()
    ]
    table = AsciiTable([head, *rows])
    table.justify_columns = dict.fromkeys(range(2, len(head)), 'right')
    return table.table


def _percent(value: float) -> str:
    return '-' if value < 0 else f'{100 * value:.1f}'
