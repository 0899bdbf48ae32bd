"""Quality of pairwise affinities and of the masks that come from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from numpy.typing import NDArray
from terminaltables import AsciiTable

from pa_lib.affinity import boundary_strength, interior_affinity

from ...utils.conversion import to_numpy
from ..functional.affinity_error import (
    AffinityErrors,
    affinity_errors,
    affinity_scores,
    calibration_histogram,
    inner_outer_scores,
)
from ..functional.boundary import boundary_counts, boundary_scores, instance_boundary
from ..functional.matching import IOU_THRESHOLDS
from ..functional.proposal_recall import (
    PROPOSAL_BUDGETS,
    finding_ranks,
    oracle_recall,
    proposal_recalls,
    recall_by_threshold,
)

_RARE = 1e-3  # a share of locations too small for their mean to say anything


@dataclass(frozen=True)
class GroupingQuality:
    """What the grouping of one image with G objects is worth.

    Attributes:
        ranks (NDArray[np.int64]): Shape (10, G), see `finding_ranks`.
        best_leaf (NDArray[np.float64]): Shape (G,), IoU of the best region of the
            finest partition.
        best_node (NDArray[np.float64]): Shape (G,), IoU of the best node of the tree.
        is_seen (NDArray[np.bool_] | None): Shape (G,), if the dataset says it.
        sizes (dict[str, int]): Numbers of objects, leaves, segments and proposals.
        seconds (dict[str, float]): Time of each step.
    """

    ranks: NDArray[np.int64]
    best_leaf: NDArray[np.float64]
    best_node: NDArray[np.float64]
    is_seen: NDArray[np.bool_] | None
    sizes: dict[str, int]
    seconds: dict[str, float]


@dataclass(frozen=True)
class _ImageQuality:
    errors: AffinityErrors
    boundaries: dict[int, NDArray[np.int64]]
    grouping: GroupingQuality | None


@METRICS.register_module()
class PairwiseAffinityMetric(BaseMetric):
    """Evaluate predicted pairwise affinities against the instances of an image.

    Needs the fields ``pred_affinity`` and ``gt_affinity`` that
    ``PairwiseAffinityPredictor`` attaches, so the test pipeline has to load masks, at
    the scale of the network input. With the field ``grouping`` the masks are evaluated
    too, and with ``gt_instances.is_seen`` (bool, one an instance) also by seen and
    unseen classes, in the same pass: an object of either kind may be found by any
    proposal.

    Keys, after the prefix; fractions in [0, 1] unless said otherwise, -1.0 where there
    is nothing to measure:

    - ``boundary_{ODS,OIS,AP,precision,recall,threshold}_{t}px``: one minus the affinity
      (the least of its in-image channels) as a map of instance boundaries, at tolerance
      ``t``, see `mmdet_ovis.evaluation.functional.boundary`. Where no channel is
      supervised (inside the background) nothing is counted.
    - ``affinity_MAE``, ``affinity_BCE`` (nats) and ``affinity_ECE`` against the soft
      targets. The loss makes the optimal output smaller than its target, so these are
      not 0 at the best; the calibration table in the log shows the relation.
    - ``{inner,outer}_pa_{ce,l1}``, the errors that GGN's reference code reports, where
      the target is 1 and where it is 0, and ``{inner,outer}_pa_share``, how many of the
      locations these are. With targets reduced by ``'mean'`` hardly any is 0, and the
      outer numbers mean nothing; the log says so.
    - ``proposal_AR@{1,10,20,30,50,100,300,1000,all}``, the ranked masks; the log has a
      table of their recall by IoU threshold.
    - ``leaf_recall``, ``tree_recall``: the AR that the regions of the finest partition
      and all nodes of the merge tree would reach if each object chose its best one.
    - ``seen_`` and ``unseen_`` before the keys of the last two points.
    - ``num_{objects,leaves,segments,proposals}`` and ``seconds_{step}``: means over
      images.

    Args:
        tolerances (Sequence[int]): Distances at which boundary pixels match, in pixels.
        legacy_strict (bool): Count a proposal only above an IoU threshold instead of at
            it, as GGN's reference code (Wang et al., CVPR 2022) does.
        collect_device (str): ``'cpu'`` or ``'gpu'``, how processes share results.
        prefix (str, optional): Prefix of the keys. Default: ``'pa'``.

    Raises:
        ValueError: In `process`, if a sample lacks a field or its shapes do not fit.
    """

    default_prefix = 'pa'

    def __init__(
        self,
        tolerances: Sequence[int] = (0, 2),
        legacy_strict: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.tolerances = tuple(tolerances)
        self.legacy_strict = legacy_strict

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Evaluate a batch and keep the counts.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Samples with predictions, as dicts.
        """
        for sample in data_samples:
            self.results.append(self._evaluate(sample))

    def _evaluate(self, sample: dict) -> _ImageQuality:
        for name in ('pred_affinity', 'gt_affinity'):
            if name not in sample:
                image = sample.get('img_path', sample.get('img_id'))
                raise ValueError(
                    f"image {image} has no '{name}'; PairwiseAffinityMetric needs a "
                    'PairwiseAffinityPredictor and a test pipeline with '
                    'LoadAnnotations(with_mask=True)'
                )
        prediction = to_numpy(sample['pred_affinity']['data'])
        truth = {key: to_numpy(value) for key, value in sample['gt_affinity'].items()}
        valid = truth['valid'].astype(bool)
        strength = boundary_strength(interior_affinity(prediction))
        boundary = instance_boundary(truth['palette'][0])
        return _ImageQuality(
            errors=affinity_errors(prediction, truth['target'], valid),
            boundaries={
                tolerance: boundary_counts(
                    strength, boundary, valid.any(axis=0), tolerance
                )
                for tolerance in self.tolerances
            },
            grouping=self._evaluate_grouping(sample) if 'grouping' in sample else None,
        )

    def _evaluate_grouping(self, sample: dict) -> GroupingQuality:
        grouping, instances = sample['grouping'], sample['gt_instances']
        tree = grouping.tree
        # Nodes are unions of regions: their IoUs need no masks of them.
        ious = tree.mask_ious(instances['masks'].to_ndarray().astype(bool))  # G x nodes
        is_seen = instances.get('is_seen')
        return GroupingQuality(
            ranks=finding_ranks(ious[:, grouping.node_ids].T, self.legacy_strict),
            best_leaf=ious[:, : tree.n_leaves].max(axis=1),
            best_node=ious.max(axis=1),
            is_seen=None if is_seen is None else to_numpy(is_seen).astype(bool),
            sizes={
                'objects': len(ious),
                'leaves': tree.n_leaves,
                'segments': tree.n_nodes,
                'proposals': len(grouping.node_ids),
            },
            seconds=grouping.timings,
        )

    def compute_metrics(self, results: list[_ImageQuality]) -> dict[str, float]:
        """Summarise the counts of all images.

        Args:
            results (list): Counts of `process` from all processes.

        Returns:
            dict[str, float]: See the class.
        """
        metrics: dict[str, float] = {}
        for tolerance in self.tolerances:
            scores = boundary_scores([x.boundaries[tolerance] for x in results])
            for name, value in scores.items():
                metrics[f'boundary_{name}_{tolerance}px'] = value
        errors = [x.errors for x in results]
        for name, value in affinity_scores(errors).items():
            metrics[f'affinity_{name}'] = value
        metrics.update(inner_outer_scores(errors))
        groupings = [x.grouping for x in results if x.grouping]
        metrics.update(_grouping_metrics(groupings))
        self._report(metrics, errors, groupings)
        return metrics

    def _report(
        self,
        metrics: dict[str, float],
        errors: list[AffinityErrors],
        groupings: list[GroupingQuality],
    ) -> None:
        logger = MMLogger.get_current_instance()
        rows = [[key, f'{value:.4f}'] for key, value in metrics.items()]
        logger.info('\n' + AsciiTable([['pairwise affinity', 'value'], *rows]).table)
        logger.info('\n' + _calibration_table(errors))
        if groupings:
            logger.info('\n' + _recall_table(groupings))
        for name, value in (('inner', 1), ('outer', 0)):
            share = metrics[f'{name}_pa_share']
            if 0 <= share < _RARE:
                logger.warning(
                    f'{name}_pa_ce and {name}_pa_l1 mean nothing: only '
                    f'{100 * share:.4f} % of the supervised locations have a target of '
                    f"{value} (with reduction='mean', hardly any is 0)"
                )


def _grouping_metrics(images: list[GroupingQuality]) -> dict[str, float]:
    if not images:
        return {}
    ranks = np.concatenate([x.ranks for x in images], axis=1)
    best_leaf = np.concatenate([x.best_leaf for x in images])
    best_node = np.concatenate([x.best_node for x in images])
    groups = {'': np.ones(len(best_leaf), dtype=bool)}
    if all(x.is_seen is not None for x in images):
        is_seen = np.concatenate([x.is_seen for x in images])
        groups |= {'seen_': is_seen, 'unseen_': ~is_seen}
    metrics = {}
    for prefix, members in groups.items():
        for name, value in proposal_recalls(ranks[:, members]).items():
            metrics[f'{prefix}proposal_{name}'] = value
        metrics[f'{prefix}leaf_recall'] = oracle_recall(best_leaf[members])
        metrics[f'{prefix}tree_recall'] = oracle_recall(best_node[members])
    for name in images[0].sizes:
        metrics[f'num_{name}'] = float(np.mean([x.sizes[name] for x in images]))
    for step in images[0].seconds:
        metrics[f'seconds_{step}'] = float(np.mean([x.seconds[step] for x in images]))
    return metrics


def _calibration_table(errors: list[AffinityErrors]) -> str:
    histogram = calibration_histogram(errors)
    rows = [
        [f'{index / 10:.1f}-{(index + 1) / 10:.1f}', f'{p:.3f}', f'{t:.3f}', f'{n:.0f}']
        for index, (p, t, n) in enumerate(histogram)
    ]
    header = ['affinity', 'mean prediction', 'mean target', 'locations']
    return AsciiTable([header, *rows]).table


def _recall_table(images: list[GroupingQuality]) -> str:
    recalls = recall_by_threshold(np.concatenate([x.ranks for x in images], axis=1))
    rows = [
        [f'{threshold:.2f}', *(f'{value:.4f}' for value in row)]
        for threshold, row in zip(IOU_THRESHOLDS, recalls, strict=True)
    ]
    mean = ['mean', *(f'{value:.4f}' for value in recalls.mean(axis=0))]
    header = ['recall at IoU', *(f'@{k}' for k in (*PROPOSAL_BUDGETS, 'all'))]
    return AsciiTable([header, *rows, mean]).table
