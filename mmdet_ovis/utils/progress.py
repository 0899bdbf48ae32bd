"""Progress of a long job: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from mmengine.logging import MMLogger
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LOG_SECONDS = 30.0


@contextmanager
def show_progress(
    title: str, total: int, done: int = 0, unit: str = 'images'
) -> Iterator[Callable[[], None]]:
    """Show images done, images a second and the time left.

    Args:
        title (str): What is going on.
        total (int): Images.
        done (int): Images that an earlier call has done; they do not count for the
            speed.
        unit (str): What is counted, where it is not images.

    Yields:
        Callable[[], None]: To be called once an image.
    """
    if sys.stderr.isatty():
        with _bar(unit) as bar:
            task = bar.add_task(title, total=total, completed=done)
            yield lambda: bar.advance(task)
    else:
        yield _LogLines(title, total, done, unit)


def _bar(unit: str) -> Progress:
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(unit),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


class _RateColumn(ProgressColumn):
    """Images a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = f'{task.speed:.1f}' if task.speed else '-'
        return Text(f'{speed} {self.unit}/s')


class _LogLines:
    """One log line in a while."""

    def __init__(self, title: str, total: int, done: int, unit: str) -> None:
        self.title = title
        self.unit = unit
        self.total = total
        self.done = self.done_before = done
        self.start = self.last = time.monotonic()

    def __call__(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self.last < _LOG_SECONDS:
            return
        self.last = now
        rate = (self.done - self.done_before) / (now - self.start)
        left = timedelta(seconds=round((self.total - self.done) / rate))
        MMLogger.get_current_instance().info(
            '%s: %d/%d %s, %.1f %s/s, %s left',
            *(self.title, self.done, self.total, self.unit, rate, self.unit, left),
        )
