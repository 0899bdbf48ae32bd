"""Worker processes that run a source of pseudo labels beside the network."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any

import cv2
import torch

from ...pseudo_labels.sources import Evidence, PseudoLabelSource, SourceOutput

_THREAD_VARIABLES = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')
_AHEAD = 2
"""Images in flight for each worker: one in work, one waiting."""

_source: PseudoLabelSource
"""Of a worker process."""


class SourcePool:
    """Runs a source in worker processes, or in this one.

    Workers are started afresh rather than forked (the network may hold CUDA and
    threads), use one thread each, ignore Ctrl-C, and end when this process dies.

    Args:
        source (PseudoLabelSource): Sent to every worker once.
        workers (int): Processes; 0 runs the source here, when it is asked for.

    Raises:
        ValueError: If ``workers`` is negative.
    """

    def __init__(self, source: PseudoLabelSource, workers: int) -> None:
        if workers < 0:
            raise ValueError(f'workers is a number of processes, not {workers}')
        self.source = source
        self.workers = workers
        self._executor: ProcessPoolExecutor | None = None
        self._environment: dict[str, str | None] = {}

    @property
    def in_flight(self) -> int:
        """How many images may wait for their result."""
        return _AHEAD * self.workers

    def __enter__(self) -> SourcePool:
        if self.workers:
            # The workers read these when they import numpy.
            self._environment = {v: os.environ.get(v) for v in _THREAD_VARIABLES}
            os.environ.update(dict.fromkeys(_THREAD_VARIABLES, '1'))
            self._executor = ProcessPoolExecutor(
                self.workers, _context(), _start_worker, (self.source,)
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=kind is not None)
        for variable, value in self._environment.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value

    def submit(self, evidence: Evidence, image: torch.Tensor | None = None) -> Any:
        """Start the work on one image.

        Args:
            evidence (Evidence): What the source needs.
            image (torch.Tensor, optional): (3, h, w) uint8, BGR, as the network saw it,
                for pools that look at it.

        Returns:
            Any: To be handed to :meth:`result`.

        Raises:
            ChildProcessError: If a worker died.
        """
        return self._start('annotate', evidence)

    def result(self, started: Any) -> SourceOutput:
        """Wait for the result of :meth:`submit`.

        Raises:
            ChildProcessError: If a worker died.
        """
        return self._wait(started)

    def _start(self, step: str, evidence: Evidence) -> Future:
        """Run a method of the source in a worker."""
        if self._executor is None:
            future: Future = Future()
            future.set_result(getattr(self.source, step)(evidence))
            return future
        try:
            return self._executor.submit(_run, step, evidence)
        except BrokenProcessPool:
            raise _worker_died() from None

    @staticmethod
    def _wait(future: Future) -> Any:
        try:
            return future.result()
        except BrokenProcessPool:
            raise _worker_died() from None


def _worker_died() -> ChildProcessError:
    return ChildProcessError(
        'a worker process died, most likely for lack of memory; what is done so far is '
        'kept: repeat the command to resume, with fewer --workers'
    )


def _context() -> multiprocessing.context.BaseContext:
    if sys.platform == 'win32':
        return multiprocessing.get_context('spawn')
    context = multiprocessing.get_context('forkserver')
    # Imported once, then shared by all workers.
    context.set_forkserver_preload([PseudoLabelSource.__module__])
    return context


def _start_worker(source: PseudoLabelSource) -> None:
    global _source
    _source = source
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _run(step: str, evidence: Evidence) -> Any:
    return getattr(_source, step)(evidence)
