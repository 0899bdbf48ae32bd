"""Grouping of pixel affinities into ranked object masks. NumPy in, NumPy out.

The library turns the map of a pairwise-affinity predictor, high inside objects and low
at their boundaries, into a hierarchy of regions and a ranked list of masks, as GGN does
(Wang et al., Open-World Instance Segmentation: Exploiting Pseudo Ground Truth From
Learned Pairwise Affinity, CVPR 2022). It depends on NumPy, SciPy and threadpoolctl, and
gives the same bytes for the same map whatever the number of threads.

Example:
    >>> import numpy as np
    >>> from pa_lib import GroupingConfig, group
    >>> affinity = np.full((64, 64), 0.9)
    >>> affinity[15:49, 15:49] = 0.1  # a frame of weak affinity, two pixels wide,
    >>> affinity[17:47, 17:47] = 0.9  # around a square object
    >>> result = group(affinity, GroupingConfig.ggn(use_globalization=0))
    >>> result.scores.round(3).tolist(), result.boxes.tolist()
    ([1.8], [[16, 16, 32, 32]])
"""

from pa_lib.config import GroupingConfig
from pa_lib.grouping import Candidates, GroupingResult, group, propose
from pa_lib.hierarchy import MergeTree

__all__ = [
    'Candidates',
    'GroupingConfig',
    'GroupingResult',
    'MergeTree',
    'group',
    'propose',
]
