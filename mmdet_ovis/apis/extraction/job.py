"""What jobs have in common that fill a store: their ends, good and bad."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger

from ...pseudo_labels.chunks import Counts
from ...pseudo_labels.run_folder import remove_leftovers
from ...pseudo_labels.store import PseudoLabelStore
from .summary import ExtractionSummary


class ExtractionInterrupted(KeyboardInterrupt):
    """The job was stopped by a signal; its finished chunks are safe."""


def already_complete(out: str | Path, counts: Counts) -> ExtractionSummary:
    """Say that nothing is left to do."""
    MMLogger.get_current_instance().info('%s is already complete', out)
    remove_leftovers(Path(out))
    return ExtractionSummary.of(out, counts, counts.n_images)


def summarize(
    store: PseudoLabelStore,
    counts: Counts | None,
    n_processed: int,
    seconds: Mapping[str, float],
) -> ExtractionSummary:
    """Sum up all images, or those of this shard while others have no result.

    Args:
        store (PseudoLabelStore): Holds the results.
        counts (Counts, optional): Over all images; None if other shards lack some.
        n_processed (int): Images that this call has processed.
        seconds (Mapping[str, float]): Time spent, by stage.
    """
    n_missing, broken = 0, store.quarantine.images
    if counts is None:
        counts, broken = store.own_counts, store.own_broken
        n_missing = len(store.image_ids) - store.counts.n_images
    n_resumed = counts.n_images - n_processed
    return ExtractionSummary.of(
        store.out, counts, n_resumed, broken, seconds, str(store.shard), n_missing
    )


@contextmanager
def interruptible(store: PseudoLabelStore) -> Iterator[None]:
    """Let SIGTERM end the job as Ctrl-C does, and both with a word on what is kept.

    Raises:
        ExtractionInterrupted: If one of them came.
    """
    try:
        with _sigterm_interrupts():
            yield
    except KeyboardInterrupt:
        raise ExtractionInterrupted(
            f'interrupted; {store.counts.n_images} of {len(store.image_ids)} images '
            f'are done and kept beside {store.out}, repeat the command to resume'
        ) from None


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM end the job as Ctrl-C does; only the main thread may set that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
