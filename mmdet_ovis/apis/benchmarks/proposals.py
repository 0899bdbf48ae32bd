"""Quality of the masks and of the hierarchy that grouping makes, image by image."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context

import numpy as np

from pa_lib import GroupingConfig, GroupingResult, group

from ...evaluation.functional.boundary import (
    boundary_counts,
    boundary_scores,
    instance_boundary,
)
from ...evaluation.functional.covering import covering_scores, segmentation_covering
from ...evaluation.functional.proposal_recall import (
    finding_ranks,
    oracle_recall,
    proposal_recall,
)

BUDGETS = (10, 100, 1000)
CUTS = np.linspace(0, 1, 52)[1:-1]
AREA_RANGES = {'s': (0, 32**2), 'm': (32**2, 96**2), 'l': (96**2, np.inf)}
BOUNDARY_TOLERANCE = 0.0075
"""Largest distance of a boundary match, fraction of the image diagonal."""


@dataclass(frozen=True)
class ProposalTask:
    """One image.

    Attributes:
        name (str): For messages.
        affinity (Callable[[], np.ndarray]): Gives the affinity, (H, W) or (C, H, W).
        masks (Callable[[], np.ndarray]): Gives the objects, (G, H, W) bool; none at all
            if ``segmentations`` are given.
        areas (np.ndarray): (G,), by which objects are small, medium or large.
        segmentations (Callable): Gives what people segmented, a list of (H, W) int.
    """

    name: str
    affinity: Callable[[], np.ndarray]
    masks: Callable[[], np.ndarray] | None = None
    areas: np.ndarray = field(default_factory=lambda: np.empty(0))
    segmentations: Callable[[], Sequence[np.ndarray]] | None = None


@dataclass(frozen=True)
class ProposalOutcome:
    """What came of one image."""

    seconds: float
    n_leaves: int
    n_masks: int
    ranks: dict[str, np.ndarray] = field(default_factory=dict)  # by area range
    best_ious: np.ndarray = field(default_factory=lambda: np.empty(0))  # of the tree
    boundary: np.ndarray | None = None  # counts
    covering: np.ndarray | None = None


def measure_proposals(task: ProposalTask, config: GroupingConfig) -> ProposalOutcome:
    """Group one image and compare the result with its truth.

    Recall needs no mask to be drawn: overlaps of all nodes with the objects follow from
    those of the leaves.

    Args:
        task (ProposalTask): The image.
        config (GroupingConfig): Parameters of the grouping.
    """
    affinity = task.affinity()
    start = time.perf_counter()
    result = group(affinity, config)
    seconds = time.perf_counter() - start
    common = {
        'seconds': seconds,
        'n_leaves': result.tree.n_leaves,
        'n_masks': len(result),
    }
    if task.segmentations is not None:
        counts, covering = _compare_cuts(result, task.segmentations())
        return ProposalOutcome(**common, boundary=counts, covering=covering)
    masks = task.masks() if task.masks is not None else np.empty((0, 1, 1), bool)
    if not len(masks):
        return ProposalOutcome(**common)
    ious = result.tree.mask_ious(masks)  # G x nodes
    ranked = ious[:, result.node_ids[: max(BUDGETS)]].T
    chosen = {'': np.ones(len(masks), bool)}
    for name, (low, high) in AREA_RANGES.items():
        chosen[name] = (task.areas >= low) & (task.areas <= high)
    return ProposalOutcome(
        **common,
        ranks={name: finding_ranks(ranked[:, keep]) for name, keep in chosen.items()},
        best_ious=ious.max(axis=1),
    )


def _compare_cuts(
    result: GroupingResult, segmentations: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Boundary counts (4, T) and mean covering (T,) of the cuts of the tree."""
    tree = result.tree
    strength = _pixel_strength(tree.ucm())
    tolerance = max(1, round(BOUNDARY_TOLERANCE * np.hypot(*strength.shape)))
    valid = np.ones(strength.shape, bool)
    first_pixel = np.unique(tree.labels, return_index=True)[1]
    partitions = [tree.cut(height).ravel()[first_pixel] - 1 for height in CUTS]
    counts, covering = [], []
    for labels in segmentations:
        truth = instance_boundary(labels)
        counts.append(boundary_counts(strength, truth, valid, tolerance, CUTS))
        _, labels = np.unique(labels, return_inverse=True)
        covering.append(
            segmentation_covering(
                tree.labels - 1, labels.reshape(truth.shape), partitions
            )
        )
    return np.sum(counts, axis=0), np.mean(covering, axis=0)


def _pixel_strength(ucm: np.ndarray) -> np.ndarray:
    """Strongest contour on the right or lower side of each pixel."""
    return np.maximum(ucm[1::2, 2::2], ucm[2::2, 1::2])


def run_benchmark(
    tasks: Iterable[ProposalTask],
    config: GroupingConfig,
    workers: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Measure images and summarise them.

    Args:
        tasks (Iterable[ProposalTask]): The images; taken a few at a time.
        config (GroupingConfig): Parameters of the grouping.
        workers (int): Processes; 0 works in this one.
        advance (Callable[[], object]): Called once an image.

    Returns:
        dict[str, float]: ``AR@k``, ``AR@100_{s,m,l}``, ``mean_best_iou`` and
        ``oracle_recall`` of the whole tree where there are objects;
        ``boundary_{ODS,OIS}`` and ``covering_{ODS,OIS}`` where there are segmentations;
        ``images``, ``masks`` and ``regions`` an image, ``seconds`` an image.
    """
    outcomes = []
    for outcome in _measure_all(tasks, config, workers):
        outcomes.append(outcome)
        advance()
    return summarize_outcomes(outcomes)


def _measure_all(
    tasks: Iterable[ProposalTask], config: GroupingConfig, workers: int
) -> Iterator[ProposalOutcome]:
    if workers == 0:
        yield from (measure_proposals(task, config) for task in tasks)
        return
    rest = iter(tasks)
    with get_context('spawn').Pool(workers) as pool:
        while batch := list(islice(rest, 8 * workers)):
            jobs = [(task, config) for task in batch]
            yield from pool.starmap(measure_proposals, jobs, chunksize=2)


def summarize_outcomes(outcomes: Sequence[ProposalOutcome]) -> dict[str, float]:
    """Average the outcomes of all images, see :func:`run_benchmark`.

    Raises:
        ValueError: If there is no image.
    """
    if not outcomes:
        raise ValueError('there is no image to measure')
    metrics: dict[str, float] = {'images': len(outcomes)}
    with_objects = [outcome for outcome in outcomes if outcome.ranks]
    if with_objects:
        pooled = {
            name: np.concatenate([o.ranks[name] for o in with_objects], axis=1)
            for name in ('', *AREA_RANGES)
        }
        best_ious = np.concatenate([o.best_ious for o in with_objects])
        metrics |= {f'AR@{k}': proposal_recall(pooled[''], k) for k in BUDGETS}
        metrics |= {f'AR@100_{r}': proposal_recall(pooled[r], 100) for r in AREA_RANGES}
        metrics['mean_best_iou'] = float(best_ious.mean())
        metrics['oracle_recall'] = oracle_recall(best_ious)
    with_cuts = [outcome for outcome in outcomes if outcome.boundary is not None]
    if with_cuts:
        scores = boundary_scores([o.boundary for o in with_cuts], CUTS)
        metrics |= {f'boundary_{name}': scores[name] for name in ('ODS', 'OIS')}
        metrics |= covering_scores([o.covering for o in with_cuts])
    metrics['masks'] = float(np.mean([o.n_masks for o in outcomes]))
    metrics['regions'] = float(np.mean([o.n_leaves for o in outcomes]))
    metrics['seconds'] = float(np.mean([o.seconds for o in outcomes]))
    return metrics
