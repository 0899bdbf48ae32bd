"""The loop of an extraction: read ahead, predict, hand over, collect in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any, TypeVar

from ...pseudo_labels.store import PseudoLabelStore
from ...utils.progress import show_progress
from .collecting import CollectingLoop, Progress
from .images import BrokenImageError
from .inputs import ImageReader, Sample
from .networks import EvidenceNetwork
from .pool import SourcePool

Task = TypeVar('Task')
Result = TypeVar('Result')

READERS = 4
"""Threads that read images; decoding leaves Python, and a network drive makes wait."""

_AHEAD = 2
"""Images in memory for each of them."""


class ExtractionLoop(CollectingLoop):
    """Asks the network about what the store lacks.

    Args:
        reader (ImageReader): Reads the images, some of them ahead of time.
        store (PseudoLabelStore): Takes the results, in the order of the dataset.

    Attributes:
        seconds (dict[str, float]): ``reading`` (what the network waited for images)
            and ``network`` in this process, and what the source measures, summed over
            workers.
    """

    title = 'extraction'

    def __init__(self, reader: ImageReader, store: PseudoLabelStore) -> None:
        super().__init__(store)
        self.reader = reader

    def run(
        self,
        network: EvidenceNetwork,
        pool: SourcePool,
        progress: Progress = show_progress,
    ) -> None:
        """Process all that is pending."""
        self.collect(self._batches(network, pool), pool, progress)

    def _batches(
        self, network: EvidenceNetwork, pool: SourcePool
    ) -> Iterator[list[tuple[int, Any]]]:
        with closing(read_ahead(self.reader.read, self.pending)) as samples:
            for position, sample in samples:
                yield [(position, self._start(sample, network, pool))]

    def _start(
        self, reading: Future[Sample], network: EvidenceNetwork, pool: SourcePool
    ) -> Any:
        """Predict one image; return its result to be, or why there will be none."""
        try:
            with self.measure('reading'):
                sample = reading.result()
            with self.measure('network'):
                evidence = network.predict(sample)
        except BrokenImageError as error:
            return str(error)
        return pool.submit(evidence, sample.data['inputs'])


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
