"""Training of the learned ranker of `pa_lib`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pa_lib import GroupingConfig, MergeTree, group
from pa_lib.affinity import interior_affinity
from pa_lib.cython_lib import select_nodes
from pa_lib.learned_ranking import Ranker, node_features
from pa_lib.node_statistics import NodeStatistics
from pa_lib.ranking import passes_filters

from ..evaluation.functional.matching import IOU_THRESHOLDS
from ..evaluation.functional.proposal_recall import finding_ranks, proposal_recall
from .benchmarks.proposals import BUDGETS, ProposalTask

_BATCH = 4096
_LEARNING_RATE = 0.01
_WEIGHT_DECAY = 1e-4
_DIGITS = 5


@dataclass(frozen=True, eq=False)
class RankedImage:
    """All nodes of one image, and how well they fit.

    Attributes:
        tree (MergeTree): The hierarchy with n nodes.
        stats (NodeStatistics): Its statistics.
        features (ndarray): (n, F) float64.
        ious (ndarray): (G, n) float64, with the objects.
    """

    tree: MergeTree
    stats: NodeStatistics
    features: np.ndarray
    ious: np.ndarray

    @property
    def targets(self) -> np.ndarray:
        """(n,) float64, share of IoU thresholds that a node reaches with an object."""
        best = self.ious.max(axis=0, initial=0.0)
        return (best[:, None] >= IOU_THRESHOLDS).mean(axis=1)


def describe_image(task: ProposalTask, config: GroupingConfig) -> RankedImage | None:
    """Group an image and describe all nodes; None if it has no object."""
    if task.masks is None:
        return None
    affinity = task.affinity()
    tree = group(affinity, config).tree
    stats = tree.statistics(interior_affinity(affinity))
    ious = tree.mask_ious(task.masks())
    return RankedImage(tree, stats, node_features(tree, stats), ious)


def train_ranker(
    images: Sequence[RankedImage], hidden: int = 12, epochs: int = 15, seed: int = 0
) -> Ranker:
    """Fit a ranker to the nodes of some images.

    Args:
        images (Sequence[RankedImage]): At least one.
        hidden (int): Hidden units.
        epochs (int): Passes over all nodes.
        seed (int): Of the initial weights and the order of nodes.

    Returns:
        Ranker: Its parameters are rounded to five digits, as they are written.
    """
    features = np.concatenate([image.features for image in images])
    targets = np.concatenate([image.targets for image in images])
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    inputs = torch.from_numpy((features - mean) / scale).float()
    wanted = torch.from_numpy(targets).float()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Linear(features.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, 1)
        )
        optimizer = torch.optim.Adam(
            model.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY
        )
        steps = epochs * -(-len(inputs) // _BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(epochs):
            for chosen in torch.randperm(len(inputs)).split(_BATCH):
                logits = model(inputs[chosen])[:, 0]
                loss = nn.functional.binary_cross_entropy_with_logits(
                    logits, wanted[chosen]
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    first, _, last = model
    arrays = {
        'mean': mean,
        'scale': scale,
        'hidden_weight': first.weight.detach().numpy().T,
        'hidden_bias': first.bias.detach().numpy(),
        'output_weight': last.weight.detach().numpy()[0],
    }
    rounded = {key: array.round(_DIGITS).astype(float) for key, array in arrays.items()}
    return Ranker(**rounded, output_bias=round(last.bias.item(), _DIGITS))


def cross_validate(
    images: Sequence[RankedImage], config: GroupingConfig, folds: int, **options: int
) -> dict[str, float]:
    """Measure recall on images that the ranker was not trained on.

    Image i belongs to fold i modulo ``folds``.

    Args:
        images (Sequence[RankedImage]): As many as folds at least.
        config (GroupingConfig): Filters and suppression.
        folds (int): At least 2.
        **options (int): Of :func:`train_ranker`.

    Returns:
        dict[str, float]: ``AR@k``.

    Raises:
        ValueError: If there are too few folds or images.
    """
    if not 2 <= folds <= len(images):
        raise ValueError(f'cannot make {folds} folds of {len(images)} images')
    ranks = []
    for fold in range(folds):
        rest = [image for i, image in enumerate(images) if i % folds != fold]
        ranker = train_ranker(rest, **options)
        ranks += [_ranks(image, ranker, config) for image in images[fold::folds]]
    pooled = np.concatenate(ranks, axis=1)
    return {f'AR@{k}': proposal_recall(pooled, k) for k in BUDGETS}


def _ranks(image: RankedImage, ranker: Ranker, config: GroupingConfig) -> np.ndarray:
    scores = ranker(image.features)
    keep = passes_filters(image.stats, image.tree.labels.shape, config)
    order = np.flatnonzero(keep)
    order = order[np.argsort(-scores[order], kind='stable')]
    tree = image.tree
    places, _ = select_nodes(
        order,
        scores[order],
        tree.parents,
        tree.areas,
        config.nms or 1.0,
        config.diversity,
        max(BUDGETS),
    )
    return finding_ranks(image.ious[:, order[places]].T)
