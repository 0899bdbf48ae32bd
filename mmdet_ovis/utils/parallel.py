"""The same function on many inputs, in several processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

Task = TypeVar('Task')
Result = TypeVar('Result')


def available_cores() -> int:
    """Count the cores that this process may use, at least 1."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_processes(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    chunksize: int = 8,
) -> Iterator[Result]:
    """Apply a function to all tasks; the results come in the order of the tasks.

    Args:
        function (Callable): What a worker runs: defined at the top of a module (or a
            ``functools.partial`` of such a function), so that it can be pickled.
        tasks (Sequence): Its inputs.
        workers (int): Processes; 0 or 1 works in this one.
        chunksize (int): Tasks that go to a worker at once.

    Yields:
        What the function returns.

    Raises:
        ValueError: If ``workers`` is negative.
        ChildProcessError: If a worker died.
    """
    if workers < 0:
        raise ValueError(f'workers is a number of processes, not {workers}')
    if workers <= 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    # Forked workers need not import the package again. Where there is no fork, what
    # they run can be imported and pickled.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context('fork' if 'fork' in methods else 'spawn')
    with ProcessPoolExecutor(workers, context, _start_worker) as pool:
        try:
            yield from pool.map(function, tasks, chunksize=chunksize)
        except BrokenProcessPool:
            raise ChildProcessError(
                'a worker process died, most likely for lack of memory; repeat the '
                'command with fewer --workers'
            ) from None


def _start_worker() -> None:
    """One process, one thread: OpenCV's pool does not survive a fork."""
    cv2.setNumThreads(0)
