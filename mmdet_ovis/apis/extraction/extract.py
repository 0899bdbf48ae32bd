"""Extraction: from a trained network to pseudo annotations of a dataset.

The network runs in this process, reading in threads ahead of it, the source (grouping,
encoding) in a pool of workers, and the results go into a store that survives a kill at
any moment and that other processes may share. The output has the same bytes for any
number of workers, shards and interruptions.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.device import get_device

from ...pseudo_labels.export import export_per_image
from ...pseudo_labels.run_header import completed_counts
from ...pseudo_labels.shards import Shard
from ...pseudo_labels.store import CHUNK_SIZE, PseudoLabelStore
from ...utils.progress import show_progress
from ..running import building
from .collecting import Progress
from .inputs import ImageReader
from .job import already_complete, interruptible, summarize
from .launch import Place
from .loop import ExtractionLoop
from .networks import AffinityNetwork, EvidenceNetwork
from .ranking import make_pool
from .setup import build_source, load_extraction_config, run_signature
from .summary import ExtractionSummary


def extract_pseudo_labels(
    config: Config | str | Path,
    checkpoint: str | Path,
    out: str | Path,
    use_gt_masks: bool = True,
    limit: int | None = None,
    workers: int | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    device: str | None = None,
    max_broken: float | None = None,
    trust_checkpoint: bool = False,
    chunk_size: int = CHUNK_SIZE,
    shard: Shard | None = None,
    ann_dir: str | Path | None = None,
    progress: Progress = show_progress,
    network: type[EvidenceNetwork] = AffinityNetwork,
    **options: Any,
) -> ExtractionSummary:
    """Extract pseudo annotations from what a network sees.

    Repeating a call resumes it; when it is complete, it returns at once. Several
    processes may work on one output, each on a shard of its own; who comes last
    completes it.

    Args:
        config (Config | str | Path): Config with ``model``, ``test_dataloader`` (the
            images to extract from), and optionally ``extraction`` (arguments of the
            source, see :func:`.setup.build_source`) and, for affinities,
            ``pa_to_masks`` (parameters of :class:`pa_lib.GroupingConfig`). The pipeline
            of the dataset is called from several threads, and must do the same whenever
            it is called.
        checkpoint (str | Path): Weights of the network.
        out (str | Path): JSON file to write: a list with the annotations of each
            image, in dataset order. Beside it come ``.summary.json``, ``.run.json``
            and, if images could not be processed, ``.quarantine.jsonl``; where words
            are looked for, maybe ``.dropped.jsonl``.
        use_gt_masks (bool): Compare with the seen instances of the annotation file
            (``gt_iou``); otherwise ``gt_iou`` is 0. Defaults to True.
        limit (int, optional): Process the first images only.
        workers (int, optional): Processes for the source; 0 runs it in
            this process. Defaults to the number of cores less one, at most 8.
        cfg_options (Mapping, optional): Changes to the config.
        overwrite (bool): Start over instead of resuming. Defaults to False.
        device (str, optional): Where the network runs. Defaults to the GPU if there
            is one.
        max_broken (float, optional): Share of the images that may be broken before
            the job fails. Defaults to 5 %, and a few in a small dataset.
        trust_checkpoint (bool): Load a checkpoint that holds pickled code.
        chunk_size (int): Images between two writes, and the grain in which shards
            divide the work. Defaults to 256.
        shard (Shard, optional): Part of the images to process. Defaults to all.
        ann_dir (str | Path, optional): Folder for one file an image, written when the
            output is complete.
        progress (Progress): How progress is shown.
        network (type[EvidenceNetwork]): What looks at the images. Defaults to a network
            that predicts affinities.
        **options: Arguments of the source that override the config, such as ``topk``
            (masks an image); None changes nothing.

    Returns:
        ExtractionSummary: What was found, and the time it took.

    Raises:
        FileNotFoundError: If config, checkpoint or annotation file are missing.
        ValueError: If one of them is broken or does not fit.
        SignatureMismatchError: If ``out`` belongs to a run with other settings.
        OutputInUseError: If another process is at work on the same shard.
        TooManyBrokenError: If more images are broken than ``max_broken`` allows.
        ExtractionInterrupted: If Ctrl-C or SIGTERM stopped the job.
        ChildProcessError: If a worker died.
        OSError: If the output cannot be written; what is done so far is kept.
    """
    start = time.monotonic()
    cfg = load_extraction_config(config, cfg_options, network)
    source = build_source(cfg, network, options)
    signature = run_signature(cfg, checkpoint, source, use_gt_masks, limit, network)
    counts = None if overwrite else completed_counts(out, signature)
    if counts is not None and ann_dir is None:
        return already_complete(out, counts)
    with building(f'dataset of {cfg.filename or "the config"}'):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    reader = ImageReader(dataset, use_gt_masks, limit)
    store = PseudoLabelStore(
        out, reader.image_ids, signature, chunk_size, max_broken, shard
    )
    with interruptible(store), store:
        if store.open(overwrite):
            summary = already_complete(out, store.counts)
        else:
            loop = ExtractionLoop(reader, store)
            if loop.pending:
                device = device or get_device()
                model = network(
                    cfg, checkpoint, device, trust_checkpoint, reader.dataset
                )
                n_workers = Place.of('none').workers if workers is None else workers
                with make_pool(
                    cfg, source, n_workers, device, trust_checkpoint
                ) as pool:
                    loop.run(model, pool, progress)
            with store.completing() as counts:
                loop.seconds['total'] = time.monotonic() - start
                summary = summarize(store, counts, len(loop.pending), loop.seconds)
                if summary.is_complete:
                    summary.save(store.parts_dir)
    if ann_dir is not None and summary.is_complete:
        export_per_image(out, ann_dir, reader.image_ids)
    return summary
