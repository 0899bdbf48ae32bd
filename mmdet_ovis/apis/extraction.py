"""Extraction: from a trained affinity network to pseudo annotations of a dataset.

The network runs in this process, grouping and encoding in a pool of workers, and the
results go into a store that survives a kill at any moment. The output has the same
bytes for any number of workers and any number of interruptions.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS, TASK_UTILS
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from ..pseudo_labels.chunks import ImageRecord
from ..pseudo_labels.run_header import completed_counts
from ..pseudo_labels.signature import RunSignature, file_sha256
from ..pseudo_labels.sources import (
    AffinityEvidence,
    PseudoLabelSource,
    SourceOutput,
)
from ..pseudo_labels.store import CHUNK_SIZE, PseudoLabelStore
from ..utils.progress import show_progress
from ..version import __version__
from .extraction_inputs import (
    AffinityNetwork,
    BrokenImageError,
    ImageReader,
    annotation_file,
    model_cfg,
)
from .extraction_pool import SourcePool, default_workers
from .extraction_summary import ExtractionSummary
from .running import load_config


class ExtractionInterrupted(KeyboardInterrupt):
    """The job was stopped by a signal; its finished chunks are safe."""


def extract_pseudo_labels(
    config: Config | str | Path,
    checkpoint: str | Path,
    out: str | Path,
    use_gt_masks: bool = True,
    topk: int | None = None,
    limit: int | None = None,
    workers: int | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    device: str | None = None,
    max_broken: float | None = None,
    trust_checkpoint: bool = False,
    chunk_size: int = CHUNK_SIZE,
) -> ExtractionSummary:
    """Extract pseudo annotations from the affinities of a network.

    Repeating a call resumes it; when it is complete, it returns at once.

    Args:
        config (Config | str | Path): Config with ``model``, ``test_dataloader`` (the
            images to extract from), and optionally ``pa_to_masks`` (parameters of
            :class:`pa_lib.GroupingConfig`) and ``extraction`` (arguments of the
            source, see :func:`build_source`).
        checkpoint (str | Path): Weights of the network.
        out (str | Path): JSON file to write: a list with the annotations of each
            image, in dataset order. Beside it come ``.summary.json``, ``.run.json``
            and, if images could not be processed, ``.quarantine.jsonl``.
        use_gt_masks (bool): Compare with the seen instances of the annotation file
            (``gt_iou``); otherwise ``gt_iou`` is 0. Defaults to True.
        topk (int, optional): Masks an image; overrides the config.
        limit (int, optional): Process the first images only.
        workers (int, optional): Processes for grouping and encoding; 0 does it in
            this process. Defaults to the number of cores less one, at most 8.
        cfg_options (Mapping, optional): Changes to the config.
        overwrite (bool): Start over instead of resuming. Defaults to False.
        device (str, optional): Where the network runs. Defaults to the GPU if there
            is one.
        max_broken (float, optional): Share of the images that may be broken before
            the job fails. Defaults to 5 %, and a few in a small dataset.
        trust_checkpoint (bool): Load a checkpoint that holds pickled code.
        chunk_size (int): Images between two writes. Defaults to 256.

    Returns:
        ExtractionSummary: What was found, and the time it took.

    Raises:
        FileNotFoundError: If config, checkpoint or annotation file are missing.
        ValueError: If one of them is broken or does not fit.
        SignatureMismatchError: If ``out`` belongs to a run with other settings.
        TooManyBrokenError: If more images are broken than ``max_broken`` allows.
        ExtractionInterrupted: If Ctrl-C or SIGTERM stopped the job.
        ChildProcessError: If a worker died.
    """
    start = time.monotonic()
    cfg = _load(config, cfg_options)
    source = build_source(cfg, topk)
    signature = run_signature(cfg, checkpoint, source, use_gt_masks, limit)
    counts = None if overwrite else completed_counts(out, signature)
    if counts is not None:
        MMLogger.get_current_instance().info('%s is already complete', out)
        return ExtractionSummary.of(out, counts, counts.n_images)
    reader = ImageReader(
        DATASETS.build(cfg.test_dataloader.dataset), use_gt_masks, limit
    )
    store = PseudoLabelStore(out, reader.image_ids, signature, chunk_size, max_broken)
    store.open(overwrite)
    job = _Extraction(reader, store)
    n_resumed = job.n_images - len(job.pending)
    try:
        with _sigterm_interrupts():
            if job.pending:
                network = AffinityNetwork(
                    cfg, checkpoint, device or get_device(), trust_checkpoint
                )
                n_workers = default_workers() if workers is None else workers
                with SourcePool(source, n_workers) as pool:
                    job.run(network, pool)
            counts = store.finalize()
    except KeyboardInterrupt:
        raise ExtractionInterrupted(
            f'interrupted; {store.counts.n_images} of {job.n_images} images are done '
            f'and kept beside {out}, repeat the command to resume'
        ) from None
    job.seconds['total'] = time.monotonic() - start
    summary = ExtractionSummary.of(
        out, counts, n_resumed, store.quarantine.images, job.seconds
    )
    summary.save()
    return summary


def build_source(cfg: Config, topk: int | None = None) -> PseudoLabelSource:
    """Build the source that turns affinities into annotations.

    Args:
        cfg (Config): ``extraction`` holds the arguments of the source, with its
            ``type`` in mmdet's ``TASK_UTILS`` (default: ``AffinitySource``). The
            grouping parameters are ``pa_to_masks``, at the top level or else in
            ``model.test_cfg``.
        topk (int, optional): Overrides ``extraction.topk``.

    Returns:
        PseudoLabelSource: The source.
    """
    args = dict(cfg.get('extraction') or {})
    args.setdefault('type', 'AffinitySource')
    in_model = (cfg.model.get('test_cfg') or {}).get('pa_to_masks')
    grouping = cfg.get('pa_to_masks', in_model)
    if grouping is not None:
        args.setdefault('pa_to_masks', grouping)
    if topk is not None:
        args['topk'] = topk
    return TASK_UTILS.build(args)


def run_signature(
    cfg: Config,
    checkpoint: str | Path,
    source: PseudoLabelSource,
    use_gt_masks: bool,
    limit: int | None,
) -> RunSignature:
    """Collect what the output depends on.

    Raises:
        FileNotFoundError: If checkpoint or annotation file are missing.
    """
    return RunSignature(
        {
            'version': __version__,
            'model': _plain(model_cfg(cfg)),
            'dataset': _plain(cfg.test_dataloader.dataset),
            'checkpoint_sha256': file_sha256(checkpoint),
            'annotation_file_sha256': file_sha256(annotation_file(cfg)),
            'source': {'name': source.name, **source.parameters},
            'use_gt_masks': use_gt_masks,
            'limit': limit,
        }
    )


class _Extraction:
    """The loop: read, predict, hand over, collect in order."""

    def __init__(self, reader: ImageReader, store: PseudoLabelStore) -> None:
        self.reader = reader
        self.store = store
        self.pending = store.pending()
        self.n_images = len(store.image_ids)
        self.seconds: dict[str, float] = defaultdict(float)

    def run(self, network: AffinityNetwork, pool: SourcePool) -> None:
        """Process all that is pending."""
        waiting: deque[tuple[int, Future[SourceOutput] | str]] = deque()
        done = self.n_images - len(self.pending)
        with show_progress('extraction', self.n_images, done) as advance:
            for position in self.pending:
                waiting.append((position, self._start(position, network, pool)))
                while len(waiting) > pool.in_flight:
                    self._finish(*waiting.popleft())
                    advance()
            for entry in waiting:
                self._finish(*entry)
                advance()

    def _start(
        self, position: int, network: AffinityNetwork, pool: SourcePool
    ) -> Future[SourceOutput] | str:
        """Read and predict one image; return its result to be, or why not."""
        try:
            with self._measure('reading'):
                sample = self.reader.read(position)
            with self._measure('network'):
                affinity = network.predict(sample)
        except BrokenImageError as error:
            return str(error)
        return pool.submit(
            AffinityEvidence(
                sample.image_id, sample.ori_shape, sample.gt_rles, affinity
            )
        )

    def _finish(self, position: int, result: Future[SourceOutput] | str) -> None:
        image_id = self.store.image_ids[position]
        if isinstance(result, str):
            self.store.add(position, ImageRecord(image_id, error=result))
            return
        output = SourcePool.result(result)
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


def _load(config: Config | str | Path, cfg_options: Mapping[str, Any] | None) -> Config:
    if isinstance(config, Config):
        cfg = config.copy()
        cfg.merge_from_dict(dict(cfg_options or {}))
    else:
        cfg = load_config(config, cfg_options)
    for key in ('model', 'test_dataloader'):
        if cfg.get(key) is None:
            raise ValueError(
                f'{cfg.filename or "the config"} has no {key}; use a config such as '
                'configs/pairwise_affinity/pa_extract.py'
            )
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    return cfg


def _plain(cfg: Mapping[str, Any]) -> Any:
    """Make a config what JSON makes of it, so that it compares equal with a file."""
    return json.loads(json.dumps(cfg.to_dict(), default=repr))


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
