"""Extraction where a second network judges the candidates of every grouping."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, replace

import torch
from mmengine.config import Config

from pa_lib import Candidates

from ..pseudo_labels.sources import (
    AffinityEvidence,
    AffinitySource,
    PseudoLabelSource,
    SourceOutput,
)
from .extraction_pool import SourcePool
from .oln_ranker import RANKER_KEY, OlnRanker, split_grouping


def make_pool(
    cfg: Config,
    source: PseudoLabelSource,
    workers: int,
    device: str,
    trust_checkpoint: bool = False,
) -> SourcePool:
    """Make the pool that runs a source, with a ranker if the config names one.

    Args:
        cfg (Config): ``pa_to_masks.oln_ranker`` holds the arguments of ``OlnRanker``.
        source (PseudoLabelSource): The source.
        workers (int): Processes.
        device (str): Where the ranker runs.
        trust_checkpoint (bool): Load its checkpoint even if it holds pickled code.

    Returns:
        SourcePool: Not started yet.

    Raises:
        ValueError: If the source has no candidates to rank, or the ranker is broken.
    """
    _, parameters = split_grouping(cfg)
    if parameters is None:
        return SourcePool(source, workers)
    if not isinstance(source, AffinitySource):
        raise ValueError(
            f'{RANKER_KEY} ranks the candidates of an AffinitySource, and '
            f'{type(source).__name__} has none'
        )
    ranker = OlnRanker.from_dict(
        parameters, device=device, trust_checkpoint=trust_checkpoint
    )
    return RankingPool(source, workers, ranker)


@dataclass(frozen=True)
class _Proposed:
    """An image whose candidates are on their way."""

    evidence: AffinityEvidence
    image: torch.Tensor
    candidates: Future[Candidates]


class RankingPool(SourcePool):
    """Groups in worker processes, and ranks and chooses in this one.

    Args:
        source (AffinitySource): Sent to every worker once.
        workers (int): Processes; 0 groups here, too.
        ranker (OlnRanker): Judges the candidates of each image, all at once.
    """

    source: AffinitySource

    def __init__(self, source: AffinitySource, workers: int, ranker: OlnRanker) -> None:
        super().__init__(source, workers)
        self.ranker = ranker

    def submit(self, evidence: AffinityEvidence, image: torch.Tensor) -> _Proposed:
        """Start the grouping of one image, see :class:`SourcePool`."""
        candidates = self._start('propose', evidence)
        spent = replace(evidence, affinity=evidence.affinity[:, :0, :0])
        return _Proposed(spent, image, candidates)

    def result(self, started: _Proposed) -> SourceOutput:
        """Wait for the candidates of an image, rank them, and choose."""
        candidates: Candidates = self._wait(started.candidates)
        start = time.perf_counter()
        scores = self.ranker.rank(started.image, candidates.boxes, candidates.scores)
        ranked = time.perf_counter() - start
        output = self.source.select(started.evidence, candidates, scores)
        return replace(output, seconds={**output.seconds, 'ranking': ranked})
