"""Masks by grouping pairwise affinities (GGN, Wang et al., CVPR 2022, section 3.2)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from pa_lib import GroupingConfig, group
from pa_lib.learned_ranking import DEFAULT_RANKER, LEARNED

from ..signature import file_sha256
from .base import Evidence, PseudoLabelSource, SourceOutput, build_annotations


@dataclass(frozen=True)
class AffinityEvidence(Evidence):
    """A predicted affinity map.

    Args:
        affinity (np.ndarray): (C, h, w) float32 in [0, 1], high inside objects, at
            the size of the network input.
    """

    affinity: np.ndarray = field(default_factory=lambda: np.zeros((1, 0, 0), 'f4'))


@TASK_UTILS.register_module()
class AffinitySource(PseudoLabelSource):
    """Group an affinity map and keep the best masks, at the original image size.

    Args:
        pa_to_masks (Mapping, optional): Arguments of :class:`pa_lib.GroupingConfig`.
            Defaults to its defaults.
        topk (int, optional): Masks an image. Defaults to 20; None keeps all.
        min_score (float, optional): Keep ``score >= min_score``. Defaults to None.
        category_id (int): Category in the output. Defaults to 1.

    Raises:
        ValueError: If ``topk`` is not positive, or ``pa_to_masks`` has a key that
            grouping does not know.
    """

    name = 'pa'

    def __init__(
        self,
        pa_to_masks: Mapping[str, Any] | None = None,
        topk: int | None = 20,
        min_score: float | None = None,
        category_id: int = 1,
    ) -> None:
        if topk is not None and topk < 1:
            raise ValueError(f'topk is the number of masks an image, not {topk}')
        self.config = GroupingConfig.from_dict(dict(pa_to_masks or {}))
        self.topk = topk
        self.min_score = min_score
        self.category_id = category_id

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of grouping and of the choice among its masks."""
        parameters = {
            'pa_to_masks': asdict(self.config),
            'topk': self.topk,
            'min_score': self.min_score,
            'category_id': self.category_id,
        }
        if self.config.rank_method == LEARNED:
            ranker = self.config.ranker or DEFAULT_RANKER
            parameters['ranker_sha256'] = file_sha256(ranker)
        return parameters

    def annotate(self, evidence: AffinityEvidence) -> SourceOutput:
        """Group the affinity of one image.

        Args:
            evidence (AffinityEvidence): The affinity and its image.

        Returns:
            SourceOutput: At most ``topk`` annotations; seconds of ``grouping`` and
            ``encoding``.

        Raises:
            ValueError: If the affinity is not finite or not (C, h, w).
        """
        start = time.perf_counter()
        result = group(evidence.affinity, self.config)
        grouped = time.perf_counter()
        scores = result.scores[: self.topk]
        if self.min_score is not None:
            scores = scores[scores >= self.min_score]
        annotations = build_annotations(
            evidence,
            result.rles(len(scores), size=evidence.ori_shape),
            scores,
            self.name,
            self.category_id,
        )
        encoded = time.perf_counter()
        return SourceOutput(
            annotations, {'grouping': grouped - start, 'encoding': encoded - grouped}
        )
