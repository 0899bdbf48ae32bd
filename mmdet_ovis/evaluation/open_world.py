"""Open-world recall of detections on a COCO file, by class split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from terminaltables import AsciiTable

from ..structures.class_splits import resolve_split
from .coco_objects import Detections, GroundTruth, Objects
from .coco_shapes import shape_areas, shape_ious
from .functional.open_world_recall import (
    MAX_DETS,
    ImageOutcome,
    check_protocol,
    evaluate_image,
)
from .functional.recall_summary import accumulate, summarize

SPLIT_PREFIXES = {'unseen': '', 'seen': 'seen_', 'all': 'all_'}
"""Prefix of the metric keys of each split; the split to score has none."""


def split_category_ids(
    ground_truth: GroundTruth,
    eval_class: str | Sequence[str | int],
    seen_class: str | Sequence[str | int] | None = None,
) -> dict[str, set[int]]:
    """Say which categories of a file count in each split.

    Args:
        ground_truth (GroundTruth): Annotations with the categories.
        eval_class (str | Sequence[str | int]): Split to score, see
            `mmdet_ovis.structures.class_splits.resolve_split`.
        seen_class (str | Sequence[str | int], optional): Split of the ``seen_`` keys.
            Default: all classes that are not in ``eval_class``, possibly none.

    Returns:
        dict[str, set[int]]: Category ids of ``unseen``, ``seen`` and ``all``.

    Raises:
        ValueError: If a split is unknown or holds a class that the file lacks.
    """
    categories = ground_truth.categories
    names = set(categories.values())
    try:
        unseen = set(resolve_split(eval_class, categories))
        seen = names - unseen
        if seen_class is not None:
            seen = set(resolve_split(seen_class, categories))
    except ValueError as error:
        raise ValueError(f'{ground_truth.where}: {error}') from None
    chosen = {'unseen': unseen, 'seen': seen, 'all': names}
    return {
        split: {i for i, name in categories.items() if name in members}
        for split, members in chosen.items()
    }


def evaluate_open_world(
    ground_truth: GroundTruth,
    detections: Callable[[int, str], Detections],
    splits: dict[str, set[int]],
    iou_types: Sequence[str] = ('segm',),
    protocol: str = 'xclass',
    max_dets: Sequence[int] = MAX_DETS,
) -> dict[str, float]:
    """Evaluate detections on all images of a file.

    Args:
        ground_truth (GroundTruth): Annotations; an image without detections counts as
            one where nothing is found.
        detections (Callable): From image id and IoU type to the detections there.
        splits (dict[str, set[int]]): Result of `split_category_ids`.
        iou_types (Sequence[str]): ``'bbox'``, ``'segm'`` or both.
        protocol (str): See `functional.open_world_recall.evaluate_image`.
        max_dets (Sequence[int]): Budgets k of AR@k, with 100 among them.

    Returns:
        dict[str, float]: For each IoU type ``t`` and each split prefix the keys of
        `functional.recall_summary.summarize`: ``{t}_AR@100``, ``seen_{t}_AR@100``,
        ``all_{t}_AR@100``, and so on. -1.0 where a split has no object.

    Raises:
        ValueError: If the protocol or the budgets are wrong.
    """
    budgets = check_protocol(protocol, max_dets)
    metrics = {}
    for iou_type in iou_types:
        outcomes = [
            evaluate_detections(
                ground_truth.objects(image_id, iou_type),
                detections(image_id, iou_type),
                splits,
                protocol,
                budgets,
            )
            for image_id in ground_truth.image_ids
        ]
        metrics.update(summarize_outcomes(outcomes, splits, iou_type, budgets))
    return metrics


def evaluate_detections(
    objects: Objects,
    detections: Detections,
    splits: dict[str, set[int]],
    protocol: str = 'xclass',
    max_dets: Sequence[int] = MAX_DETS,
) -> ImageOutcome:
    """Evaluate the detections of one image.

    Args:
        objects (Objects): All objects of the image.
        detections (Detections): Shapes of the same kind, in any order.
        splits (dict[str, set[int]]): Category ids of S splits.
        protocol (str): See `functional.open_world_recall.evaluate_image`.
        max_dets (Sequence[int]): Budgets k, ascending, with 100 among them.

    Returns:
        ImageOutcome: Some kilobytes, whatever the number of detections.
    """
    best = detections.best(max_dets[-1])
    counts = [np.isin(objects.category_ids, list(ids)) for ids in splits.values()]
    return evaluate_image(
        shape_ious(best.shapes, objects.shapes, objects.crowd),
        best.scores,
        shape_areas(best.shapes),
        objects.areas,
        objects.crowd,
        np.array(counts),
        protocol,
        max_dets,
    )


def summarize_outcomes(
    outcomes: Sequence[ImageOutcome],
    splits: dict[str, set[int]],
    iou_type: str,
    max_dets: Sequence[int],
) -> dict[str, float]:
    """Name the numbers of a dataset, see `evaluate_open_world`.

    Args:
        outcomes (Sequence[ImageOutcome]): One an image, by ascending image id.
        splits (dict[str, set[int]]): Those of the outcomes.
        iou_type (str): That of the outcomes.
        max_dets (Sequence[int]): Those of the outcomes.
    """
    prefixes = [f'{SPLIT_PREFIXES[split]}{iou_type}_' for split in splits]
    return summarize(accumulate(outcomes), prefixes, max_dets)


def format_table(metrics: dict[str, float], iou_types: Sequence[str]) -> str:
    """Lay out the result of `evaluate_open_world` as a table, in percent.

    One row a number, one column a split and IoU type; ``-`` where no object counts.
    """
    columns = [(split, t) for t in iou_types for split in SPLIT_PREFIXES]
    first = f'{iou_types[0]}_'
    # Prefixed keys do not start with the IoU type, so these are the rows once each.
    rows = [key.removeprefix(first) for key in metrics if key.startswith(first)]
    body = [
        [row, *(_percent(metrics[f'{SPLIT_PREFIXES[s]}{t}_{row}']) for s, t in columns)]
        for row in rows
    ]
    table = AsciiTable([['', *(f'{t} {split}' for split, t in columns)], *body])
    table.justify_columns = dict.fromkeys(range(1, len(columns) + 1), 'right')
    return table.table


def _percent(value: float) -> str:
    return '-' if value < 0 else f'{100 * value:.1f}'
