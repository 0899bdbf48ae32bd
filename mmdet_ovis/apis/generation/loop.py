"""The loop of a generation: read ahead, look in batches, hand over, collect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from itertools import groupby
from typing import Any

from ...pseudo_labels.sources import GradCamEvidence
from ...pseudo_labels.store import PseudoLabelStore
from ...utils.progress import show_progress
from ...vlm import PhraseActivation
from ..extraction.collecting import CollectingLoop, Progress
from ..extraction.images import BrokenImageError
from ..extraction.loop import read_ahead
from ..extraction.pool import SourcePool
from .inputs import CaptionedSample
from .setup import Generation


class GenerationLoop(CollectingLoop):
    """Looks for the words of captions in what the store lacks.

    Args:
        parts (Generation): Model, source, reader.
        store (PseudoLabelStore): Takes the results, in the order of the captions.
        chunk_size (int): Of the store. Batches begin with each chunk, so that they are
            the same ones however the work is divided or interrupted.

    Attributes:
        seconds (dict[str, float]): ``reading`` (what the model waited for images) and
            ``vlm`` in this process, and what the source measures, summed over workers.
    """

    title = 'generation'

    def __init__(
        self, parts: Generation, store: PseudoLabelStore, chunk_size: int
    ) -> None:
        super().__init__(store)
        self.parts = parts
        self.chunk_size = chunk_size

    def run(self, pool: SourcePool, progress: Progress = show_progress) -> None:
        """Process all that is pending."""
        self.collect(self._started(pool), pool, progress)

    def _started(self, pool: SourcePool) -> Iterator[list[tuple[int, Any]]]:
        with closing(read_ahead(self.parts.reader.read, self.pending)) as readings:
            for positions in self.batches():
                results = self._start([next(readings) for _ in positions], pool)
                yield list(zip(positions, results, strict=True))

    def batches(self) -> list[list[int]]:
        """Divide what is pending; no batch crosses the border of a chunk."""
        size = self.parts.batch_size
        batches = []
        for _, chunk in groupby(self.pending, lambda p: p // self.chunk_size):
            positions = list(chunk)
            batches += [
                positions[start : start + size]
                for start in range(0, len(positions), size)
            ]
        return batches

    def _start(
        self,
        readings: Sequence[tuple[int, Future[CaptionedSample]]],
        pool: SourcePool,
    ) -> list[Any]:
        """Look at a batch; return results to be, or why there will be none."""
        samples: list[CaptionedSample | str] = []
        for _, reading in readings:
            try:
                with self.measure('reading'):
                    samples.append(reading.result())
            except BrokenImageError as error:
                samples.append(str(error))
        with self.measure('vlm'):
            activations = self.parts.look(
                [s for s in samples if not isinstance(s, str)]
            )
        found = iter(activations)
        return [
            sample
            if isinstance(sample, str)
            else self._submit(sample, next(found), pool)
            for sample in samples
        ]

    def _submit(
        self,
        sample: CaptionedSample,
        activations: Sequence[PhraseActivation],
        pool: SourcePool,
    ) -> Any:
        evidence = GradCamEvidence(
            sample.image_id,
            sample.image.shape[:2],
            image=sample.image,
            activations=activations,
            file_name=sample.file_name,
        )
        return pool.submit(evidence)
