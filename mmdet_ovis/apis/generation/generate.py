"""The job: captions in, a file of pseudo annotations with words out.

It runs on the store of extraction, with the same promises: it may be killed at any
moment and goes on where it was, several processes may share one output, and the bytes
are the same for any number of workers, shards and interruptions.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device

from ...pseudo_labels.shards import Shard
from ...pseudo_labels.store import CHUNK_SIZE, PseudoLabelStore
from ...utils.progress import show_progress
from ..extraction.collecting import Progress
from ..extraction.job import already_complete, interruptible, summarize
from ..extraction.launch import Place
from ..extraction.pool import SourcePool
from ..extraction.summary import ExtractionSummary
from .loop import GenerationLoop
from .setup import build_generation, load_generation_config


def generate_pseudo_masks(
    config: Config | str | Path,
    out: str | Path,
    limit: int | None = None,
    workers: int | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    device: str | None = None,
    max_broken: float | None = None,
    chunk_size: int = CHUNK_SIZE,
    shard: Shard | None = None,
    progress: Progress = show_progress,
) -> ExtractionSummary:
    """Generate pseudo masks of the words of captions.

    Repeating a call resumes it; when it is complete, it returns at once. Several
    processes may work on one output, each on a shard of its own; who comes last
    completes it.

    Args:
        config (Config | str | Path): See :func:`.setup.build_generation`.
        out (str | Path): JSON file to write: a list with the annotations of each image,
            in the order of the captions. Beside it come ``.summary.json``,
            ``.run.json``, and maybe ``.dropped.jsonl`` and ``.quarantine.jsonl``.
        limit (int, optional): Process the first images only.
        workers (int, optional): Processes for proposals, boxes and masks; 0 does it in
            this process. Defaults to the number of cores less one, at most 8.
        cfg_options (Mapping, optional): Changes to the config.
        overwrite (bool): Start over instead of resuming.
        device (str, optional): Where the vision-language model runs. Defaults to the
            GPU if there is one.
        max_broken (float, optional): Share of the images that may be broken before the
            job fails. Defaults to 5 %, and a few in a small dataset.
        chunk_size (int): Images between two writes, and the grain of shards.
        shard (Shard, optional): Part of the images to process. Defaults to all.
        progress (Progress): How progress is shown.

    Returns:
        ExtractionSummary: What was found, what was dropped, and the time it took.

    Raises:
        FileNotFoundError: If config, captions, weights or the vocabulary are missing.
        ValueError: If one of them is broken or does not fit.
        SignatureMismatchError: If ``out`` belongs to a run with other settings.
        OutputInUseError: If another process is at work on the same shard.
        TooManyBrokenError: If more images are broken than ``max_broken`` allows.
        ExtractionInterrupted: If Ctrl-C or SIGTERM stopped the job.
        ChildProcessError: If a worker died.
        OSError: If the output cannot be written; what is done so far is kept.
    """
    start = time.monotonic()
    cfg = load_generation_config(config, cfg_options)
    parts = build_generation(cfg, limit, device or get_device())
    store = PseudoLabelStore(
        out, parts.reader.image_ids, parts.signature, chunk_size, max_broken, shard
    )
    with interruptible(store), store:
        if store.open(overwrite):
            return already_complete(out, store.counts)
        loop = GenerationLoop(parts, store, chunk_size)
        if loop.pending:
            n_workers = Place.of('none').workers if workers is None else workers
            with SourcePool(parts.source, n_workers) as pool:
                loop.run(pool, progress)
        with store.completing() as counts:
            loop.seconds['total'] = time.monotonic() - start
            summary = summarize(store, counts, len(loop.pending), loop.seconds)
            if summary.is_complete:
                summary.save(store.parts_dir)
    return summary
