"""A small learned judge of tree nodes: how well would this one cover an object?

A perceptron with one hidden layer looks at exact statistics of a node, none of which
needs a mask. It is a few hundred numbers in a JSON file; `tools/train_ranker.py` learns
them from images with masks.

Reference: Carreira and Sminchisescu, CPMC, PAMI 2012, and Pont-Tuset et al., MCG, PAMI
2017, who rank regions of a hierarchy by regressing their overlap with objects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pa_lib.hierarchy import MergeTree
from pa_lib.node_statistics import NodeStatistics, divide

# Nodes that are judged at a time: what is computed of them stays in the cache.
_BLOCK = 1024

LEARNED = 5
"""Rank method of `pa_lib.GroupingConfig` that asks a ranker."""

DEFAULT_RANKER = Path(__file__).with_name('ranker.json')

FEATURES = (
    'log_area',
    'ring_mean',
    'core_mean',
    'inner_ring_mean',
    'outer_ring_mean',
    'mean',
    'height',
    'parent_height',
    'persistence',
    'log_roughness',
    'box_fill',
    'squared_log_aspect',
    'frame_contact',
    'share_of_parent',
    'normalized_cut',
    'contrast',
    'log_leaves',
    'log_leaves_of_image',
)
"""Names of the statistics, in order."""


def node_features(tree: MergeTree, stats: NodeStatistics) -> np.ndarray:
    """Describe all nodes of a tree.

    Args:
        tree: The merge tree, with n nodes.
        stats: Its statistics under the interior affinity.

    Returns:
        (n, F) float64 array, one column for each of `FEATURES`; finite.

    Example:
        >>> tree = MergeTree(np.array([[1, 1, 2]]), np.array([[0, 1]]), np.array([0.5]))
        >>> node_features(tree, tree.statistics(np.ones((1, 3)))).shape
        (3, 18)
    """
    n_pixels = tree.labels.size
    is_root = tree.parents < 0
    parents = np.where(is_root, np.arange(tree.n_nodes), tree.parents)
    parent_heights = np.where(is_root, 1.0, tree.heights[parents])
    parent_areas = np.where(is_root, n_pixels, tree.areas[parents])
    area = stats.area.astype(np.float64)
    mean = stats.total / area
    core = stats.total - stats.inner_total
    core_mean = divide(core, stats.area - stats.inner_area, mean)
    ring_mean = divide(stats.ring_total, stats.ring_area, 1.0)
    outer_area = stats.ring_area - stats.inner_area
    contact = stats.sides.sum(axis=1)
    width, height = stats.boxes[:, 2], stats.boxes[:, 3]
    n_leaves = tree.intervals[:, 1] - tree.intervals[:, 0]
    columns = (
        np.log(area / n_pixels),
        ring_mean,
        core_mean,
        divide(stats.inner_total, stats.inner_area, 1.0),
        divide(stats.ring_total - stats.inner_total, outer_area, 1.0),
        mean,
        tree.heights,
        parent_heights,
        parent_heights - tree.heights,
        np.log(np.maximum(stats.inner_area, 1) / np.sqrt(area)),
        area / (width * height),
        np.log(width / height) ** 2,
        divide(contact, contact + stats.inner_area, 0.0),
        area / parent_areas,
        divide(stats.ring_total, core + stats.ring_total, 1.0),
        core_mean - ring_mean,
        np.log(n_leaves),
        np.full(tree.n_nodes, np.log(tree.n_leaves)),
    )
    return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class Ranker:
    """A perceptron: features -> hidden units (tanh) -> one logit.

    Attributes:
        mean: (F,) float64, subtracted from the features.
        scale: (F,) float64, positive, they are divided by.
        hidden_weight: (F, U) float64.
        hidden_bias: (U,) float64.
        output_weight: (U,) float64.
        output_bias: The last term.
    """

    mean: np.ndarray
    scale: np.ndarray
    hidden_weight: np.ndarray
    hidden_bias: np.ndarray
    output_weight: np.ndarray
    output_bias: float

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Judge nodes.

        Sums are taken in one order on all machines, which no BLAS promises.

        Args:
            features: (n, F) float array, see `node_features`.

        Returns:
            (n,) float64 array in (0, 1), an estimate of the share of IoU thresholds
            0.50:0.05:0.95 that the node reaches with some object.
        """
        blocks = range(0, len(features), _BLOCK)
        judged = [self._judge(features[start : start + _BLOCK]) for start in blocks]
        return np.concatenate([np.empty(0), *judged])

    def _judge(self, features: np.ndarray) -> np.ndarray:
        normalized = (features - self.mean) / self.scale
        hidden = np.tile(self.hidden_bias, (len(features), 1))
        for column, weight in zip(normalized.T, self.hidden_weight, strict=True):
            hidden += column[:, None] * weight
        hidden = np.tanh(hidden)
        logit = np.full(len(features), self.output_bias)
        for column, weight in zip(hidden.T, self.output_weight, strict=True):
            logit += column * weight
        return 0.5 + 0.5 * np.tanh(0.5 * logit)

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON values."""
        return {
            'features': list(FEATURES),
            'mean': self.mean.tolist(),
            'scale': self.scale.tolist(),
            'hidden_weight': self.hidden_weight.tolist(),
            'hidden_bias': self.hidden_bias.tolist(),
            'output_weight': self.output_weight.tolist(),
            'output_bias': self.output_bias,
        }

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any], where: str) -> Ranker:
        """Read parameters.

        Args:
            parameters: What `to_dict` returns.
            where: The file, for messages.

        Raises:
            ValueError: If a key is missing, a shape is wrong, or the features are not
                those of this version.
        """
        if tuple(parameters.get('features', ())) != FEATURES:
            raise ValueError(
                f"{where}: 'features' are not those of this version of pa_lib; train "
                'the ranker again with tools/train_ranker.py'
            )
        n_hidden = len(parameters.get('hidden_bias', ()))
        shapes = {
            'mean': (len(FEATURES),),
            'scale': (len(FEATURES),),
            'hidden_weight': (len(FEATURES), n_hidden),
            'hidden_bias': (n_hidden,),
            'output_weight': (n_hidden,),
            'output_bias': (),
        }
        arrays = {}
        for key, shape in shapes.items():
            array = np.asarray(parameters.get(key, np.nan), np.float64)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(
                    f"{where}: '{key}' must be finite numbers of the shape {shape}"
                )
            arrays[key] = array
        return cls(**{**arrays, 'output_bias': float(arrays['output_bias'])})


@lru_cache(maxsize=4)
def load_ranker(path: str | Path = DEFAULT_RANKER) -> Ranker:
    """Read a ranker from a JSON file.

    Args:
        path: The file; the one that comes with pa_lib if left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no ranker of this version; the message names file and key.
    """
    try:
        parameters = json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise FileNotFoundError(
            f'there is no ranker {path}; tools/train_ranker.py makes one'
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is not valid JSON: {error}') from None
    return Ranker.from_dict(parameters, str(path))
