"""Options of ``tools/test_pa.py``: what is judged of a pairwise affinity network."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import Config

from ..structures.class_splits import COCO_SPLIT_CLASSES

METRIC = 'PairwiseAffinityMetric'
ALL = 'all'
"""The partition that judges the objects of all classes in one pass."""


def set_affinity_test(
    cfg: Config,
    partition: str | None = None,
    eval_proposals: bool = False,
    legacy_strict: bool = False,
) -> str:
    """Let a config test its affinity network on some classes.

    Images without an object of these classes are left out, unless all classes count. If
    the test images of the config come without annotations, as those of
    ``pa_extract.py`` do, its validation images are taken.

    Args:
        cfg (Config): Of a ``PairwiseAffinityPredictor``; changed in place.
        partition (str, optional): Classes whose masks count: a split, see
            `mmdet_ovis.structures.class_splits.resolve_split`. With ``'all'`` those of
            all classes do, and recall is reported of seen and unseen ones too. Defaults
            to the classes outside ``train_class`` where these have a name, else to
            ``'all'``.
        eval_proposals (bool): Group each affinity by the ``pa_to_masks`` of the config,
            and judge the masks.
        legacy_strict (bool): Count a mask only above an IoU threshold, as GGN's
            reference code does, instead of at it.

    Returns:
        str: The partition.

    Raises:
        ValueError: If the config tests something else, has no annotated images, or no
            ``pa_to_masks`` where masks are to be judged.
    """
    evaluator = cfg.get('test_evaluator') or {}
    if evaluator.get('type') != METRIC:
        raise ValueError(
            f'this config tests with {evaluator.get("type")}; test_pa.py needs the '
            f'config of an affinity network, which has {METRIC}'
        )
    if legacy_strict:
        evaluator.legacy_strict = True
    cfg.test_dataloader = _annotated(cfg)
    partition = _set_classes(cfg.test_dataloader.dataset, partition)
    if eval_proposals:
        _set_grouping(cfg)
    return partition


def _annotated(cfg: Config) -> dict:
    """Return the first of test and validation images that come with annotations."""
    for name in ('test_dataloader', 'val_dataloader'):
        dataloader = cfg.get(name) or {}
        pipeline = dataloader.get('dataset', {}).get('pipeline', ())
        if any(step.type == 'LoadAnnotations' for step in pipeline):
            return dataloader
    raise ValueError(
        'neither test_dataloader nor val_dataloader of this config load annotations '
        "(dict(type='LoadAnnotations', with_bbox=True, with_mask=True))"
    )


def _set_classes(dataset: dict, partition: str | None) -> str:
    """Let a dataset load the objects of some classes, and images that have some."""
    seen = dataset.get('train_class', ALL)
    if partition is None:
        partition = _complement(seen)
    if partition == ALL:
        dataset.test_mode = True
        # Without a split there is nothing to tell seen from unseen by.
        dataset.keep_unseen = seen != ALL
    else:
        dataset.test_mode = False
        dataset.filter_cfg = dict(filter_empty_gt=True, min_size=32)
        dataset.train_class = partition
        dataset.keep_unseen = False
    if not dataset.keep_unseen:
        # All that is loaded is of one kind: the flags would only repeat the numbers.
        dataset.pipeline = [
            step for step in dataset.pipeline if step.type != 'LoadInstanceFlags'
        ]
    return partition


def _complement(split: str | Sequence[str]) -> str:
    """Name the classes outside a split, or all classes where that has no name."""
    if isinstance(split, str):
        if split in COCO_SPLIT_CLASSES:
            return f'not:{split}'
        for start in ('not:', 'non'):
            if split.removeprefix(start) in COCO_SPLIT_CLASSES:
                return split.removeprefix(start)
    return ALL


def _set_grouping(cfg: Config) -> None:
    if 'pa_to_masks' not in cfg:
        raise ValueError(
            '--eval-proposals needs pa_to_masks, the parameters of grouping, in the '
            'config; name the one that extracts, such as pa_extract.py'
        )
    grouping = dict(cfg.pa_to_masks)
    if grouping.pop('oln_ranker', None) is not None:
        raise ValueError(
            '--eval-proposals judges the masks as grouping ranks them, without OLN; '
            'pass --cfg-options pa_to_masks.oln_ranker=None'
        )
    topk = cfg.get('extraction', {}).get('topk')
    cfg.model.test_cfg = dict(pa_to_masks=grouping, max_per_img=topk)
