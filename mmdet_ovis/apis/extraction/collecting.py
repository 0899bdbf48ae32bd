"""What the loops of all jobs share: results go to the store in the order of images."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import asdict
from typing import Any

from ...pseudo_labels.chunks import ImageRecord
from ...pseudo_labels.sources import SourceOutput
from ...pseudo_labels.store import PseudoLabelStore
from .pool import SourcePool

Progress = Callable[[str, int, int], AbstractContextManager[Callable[[], None]]]
"""Shows a title, images in all and images done; gives what to call for each image."""


def no_progress(title: str, total: int, done: int = 0) -> AbstractContextManager:
    """Show nothing, where another process shows it: a :data:`Progress`."""
    return nullcontext(lambda: None)


class CollectingLoop:
    """Processes what the store lacks, as a subclass starts it.

    Args:
        store (PseudoLabelStore): Takes the results, in the order of its images.

    Attributes:
        title (str): Of the progress bar.
        pending (list[int]): Positions to process.
        seconds (dict[str, float]): Time by stage; that of the source is summed over
            its workers.
    """

    title: str

    def __init__(self, store: PseudoLabelStore) -> None:
        self.store = store
        self.pending = store.pending()
        self.seconds: dict[str, float] = defaultdict(float)

    def collect(
        self,
        batches: Iterator[Sequence[tuple[int, Any]]],
        pool: SourcePool,
        progress: Progress,
    ) -> None:
        """Wait for results, while the next images are started.

        Args:
            batches (Iterator): Positions of pending images, each with its result to be,
                or with the reason why there will be none; closed at the end. A batch
                is started when it is asked for.
            pool (SourcePool): Where the results come from.
            progress (Progress): How progress is shown.
        """
        waiting: deque[tuple[int, Any]] = deque()
        shard, total = self.store.shard, self.store.n_owned
        title = self.title if shard.number == 1 else f'{self.title}, {shard}'
        with (
            progress(title, total, total - len(self.pending)) as advance,
            closing(batches),
        ):
            for batch in batches:
                waiting.extend(batch)
                # The workers are kept busy while the next batch is started.
                while len(waiting) > max(pool.in_flight, len(batch) - 1):
                    self._finish(*waiting.popleft(), pool)
                    advance()
            for entry in waiting:
                self._finish(*entry, pool)
                advance()

    def _finish(self, position: int, result: Any, pool: SourcePool) -> None:
        image_id = self.store.image_ids[position]
        if isinstance(result, str):
            self.store.add(position, ImageRecord(image_id, error=result))
            return
        output: SourceOutput = pool.result(result)
        for stage, seconds in output.seconds.items():
            self.seconds[stage] += seconds
        dropped = [asdict(item) for item in output.dropped]
        self.store.add(
            position, ImageRecord(image_id, output.annotations, dropped=dropped)
        )

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time that passes to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start
