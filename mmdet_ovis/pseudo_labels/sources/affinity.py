"""Masks by grouping pairwise affinities (GGN, Wang et al., CVPR 2022, section 3.2)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from pa_lib import Candidates, GroupingConfig, GroupingResult, propose
from pa_lib.learned_ranking import DEFAULT_RANKER, LEARNED

from ...structures.pseudo_annotation import PseudoAnnotation
from ..signature import file_sha256
from .base import Evidence, PseudoLabelSource, SourceOutput, build_annotations

_CHANNELS = 3
"""GGN's ``orig_shape`` is that of the array of the image."""


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
    """Group an affinity map and keep the best masks.

    Args:
        pa_to_masks (Mapping, optional): Arguments of :class:`pa_lib.GroupingConfig`.
            Defaults to its defaults.
        topk (int, optional): Masks an image. Defaults to 20; None keeps all.
        min_score (float, optional): Keep ``score >= min_score``. Defaults to None.
        category_id (int): Category in the output. Defaults to 1.
        rescale (bool): Masks at the size of the original image. Defaults to True;
            otherwise they stay at that of the network input, and each annotation says
            in ``orig_shape`` how large its image is.

    Raises:
        ValueError: If ``topk`` is not positive, or ``pa_to_masks`` has a key that
            grouping does not know.
    """

    name = 'pa'
    evidence = AffinityEvidence

    def __init__(
        self,
        pa_to_masks: Mapping[str, Any] | None = None,
        topk: int | None = 20,
        min_score: float | None = None,
        category_id: int = 1,
        rescale: bool = True,
    ) -> None:
        if topk is not None and topk < 1:
            raise ValueError(f'topk is the number of masks an image, not {topk}')
        self.config = GroupingConfig.from_dict(dict(pa_to_masks or {}))
        self.topk = topk
        self.min_score = min_score
        self.category_id = category_id
        self.rescale = rescale

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of grouping and of the choice among its masks."""
        parameters = {
            'pa_to_masks': asdict(self.config),
            'topk': self.topk,
            'min_score': self.min_score,
            'category_id': self.category_id,
            'rescale': self.rescale,
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
        return self.select(evidence, self.propose(evidence))

    def propose(self, evidence: AffinityEvidence) -> Candidates:
        """Group the affinity of one image, up to the choice among its masks.

        Raises:
            ValueError: If the affinity is not finite or not (C, h, w).
        """
        return propose(evidence.affinity, self.config)

    def select(
        self,
        evidence: Evidence,
        candidates: Candidates,
        scores: np.ndarray | None = None,
    ) -> SourceOutput:
        """Choose among the candidates of one image.

        Args:
            evidence (Evidence): The image; its affinity is not needed any more.
            candidates (Candidates): What :meth:`propose` found.
            scores (np.ndarray, optional): (n,) to rank them by. Defaults to those of
                the rank method.

        Returns:
            SourceOutput: As of :meth:`annotate`.
        """
        result = candidates.select(scores)
        start = time.perf_counter()
        scores = result.scores[: self.topk]
        if self.min_score is not None:
            scores = scores[scores >= self.min_score]
        annotations = self._build(evidence, result, scores)
        encoding = time.perf_counter() - start
        return SourceOutput(
            annotations, {'grouping': result.timings['total'], 'encoding': encoding}
        )

    def _build(
        self, evidence: Evidence, result: GroupingResult, scores: np.ndarray
    ) -> list[PseudoAnnotation]:
        rles = result.rles(len(scores), size=evidence.ori_shape)
        if self.rescale:
            return build_annotations(
                evidence, rles, scores, self.name, self.category_id
            )
        annotations = build_annotations(
            evidence,
            result.rles(len(scores)),
            scores,
            self.name,
            self.category_id,
            compared=rles,
        )
        shape = [*evidence.ori_shape, _CHANNELS]
        return [{**ann, 'orig_shape': shape} for ann in annotations]
