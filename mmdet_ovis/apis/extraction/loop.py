"""The loop of an extraction: read ahead, predict, hand over, collect in order."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from itertools import islice
from typing import Any, TypeVar

from ...pseudo_labels.chunks import ImageRecord
from ...pseudo_labels.sources import AffinityEvidence
from ...pseudo_labels.store import PseudoLabelStore
from ...utils.progress import show_progress
from .images import BrokenImageError
from .inputs import AffinityNetwork, ImageReader, Sample
from .pool import SourcePool

Task = TypeVar('Task')
Result = TypeVar('Result')
Progress = Callable[[str, int, int], AbstractContextManager[Callable[[], None]]]
"""Shows a title, images in all and images done; gives what to call for each image."""

READERS = 4
"""Threads that read images; decoding leaves Python, and a network drive makes wait."""

_AHEAD = 2
"""Images in memory for each of them."""


def no_progress(title: str, total: int, done: int = 0) -> AbstractContextManager:
    """Show nothing, where another process shows it: a :data:`Progress`."""
    return nullcontext(lambda: None)


class ExtractionLoop:
    """Processes what the store lacks.

    Args:
        reader (ImageReader): Reads the images, some of them ahead of time.
        store (PseudoLabelStore): Takes the results, in the order of the dataset.

    Attributes:
        pending (list[int]): Positions to process.
        seconds (dict[str, float]): ``reading`` (what the network waited for images)
            and ``network`` in this process, and what the source measures, summed over
            workers.
    """

    def __init__(self, reader: ImageReader, store: PseudoLabelStore) -> None:
        self.reader = reader
        self.store = store
        self.pending = store.pending()
        self.seconds: dict[str, float] = defaultdict(float)

    def run(
        self,
        network: AffinityNetwork,
        pool: SourcePool,
        progress: Progress = show_progress,
    ) -> None:
        """Process all that is pending."""
        waiting: deque[tuple[int, Any]] = deque()
        shard, total = self.store.shard, self.store.n_owned
        title = 'extraction' if shard.number == 1 else f'extraction, {shard}'
        with (
            progress(title, total, total - len(self.pending)) as advance,
            closing(read_ahead(self.reader.read, self.pending)) as samples,
        ):
            for position, sample in samples:
                waiting.append((position, self._start(sample, network, pool)))
                while len(waiting) > pool.in_flight:
                    self._finish(*waiting.popleft(), pool)
                    advance()
            for entry in waiting:
                self._finish(*entry, pool)
                advance()

    def _start(
        self, reading: Future[Sample], network: AffinityNetwork, pool: SourcePool
    ) -> Any:
        """Predict one image; return its result to be, or why there will be none."""
        try:
            with self._measure('reading'):
                sample = reading.result()
            with self._measure('network'):
                affinity = network.predict(sample)
        except BrokenImageError as error:
            return str(error)
        evidence = AffinityEvidence(
            sample.image_id, sample.ori_shape, sample.gt_rles, affinity
        )
        return pool.submit(evidence, sample.data['inputs'])

    def _finish(self, position: int, result: Any, pool: SourcePool) -> None:
        image_id = self.store.image_ids[position]
        if isinstance(result, str):
            self.store.add(position, ImageRecord(image_id, error=result))
            return
        output = pool.result(result)
        for stage, seconds in output.seconds.items():
            self.seconds[stage] += seconds
        self.store.add(position, ImageRecord(image_id, output.annotations))

    @contextmanager
    def _measure(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


def read_ahead(
    read: Callable[[Task], Result], tasks: Iterable[Task], threads: int = READERS
) -> Iterator[tuple[Task, Future[Result]]]:
    """Run a function in threads, a bounded number of tasks ahead of whoever asks.

    Args:
        read (Callable): Safe to call from several threads.
        tasks (Iterable): Its arguments.
        threads (int): How many.

    Yields:
        tuple[Task, Future[Result]]: In the order of the tasks.

    Examples:
        >>> [(task, result.result()) for task, result in read_ahead(abs, [-1, 2, -3])]
        [(-1, 1), (2, 2), (-3, 3)]
    """
    tasks = iter(tasks)
    waiting: deque[tuple[Task, Future[Result]]] = deque()
    with ThreadPoolExecutor(threads, 'reader') as pool:
        try:
            for task in islice(tasks, threads * _AHEAD):
                waiting.append((task, pool.submit(read, task)))
            while waiting:
                yield waiting.popleft()
                for task in islice(tasks, 1):
                    waiting.append((task, pool.submit(read, task)))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
