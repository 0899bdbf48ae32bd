"""Extraction under fire: killed at random moments, resumed, compared to the byte."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from ...datasets.openshapes import OpenShapesConfig, make_openshapes
from ...utils.checkpoint import load_checkpoint
from ...utils.io import atomic_open
from .extract import extract_pseudo_labels
from .setup import load_extraction_config

TINY_IMAGES = 128
TINY_CHUNK = 8


@dataclass(frozen=True)
class KillReport:
    """What became of extractions that were killed again and again.

    Args:
        kills (int): Calls that were killed.
        calls (int): All calls, those that came to their end included.
        resumed (int): Calls that found results of an earlier one.
        outputs (int): Outputs that were completed.
        images (int): Images in all these outputs.
        redone (int): Images whose result was lost with a chunk and made again.
        different (int): Outputs that differ from that of an undisturbed call, or with
            other files beside them.
        seconds (float): Of an undisturbed call, the mean over numbers of workers.
    """

    kills: int
    calls: int
    resumed: int
    outputs: int
    images: int
    redone: int
    different: int
    seconds: float

    @property
    def identical(self) -> bool:
        """Whether all outputs are as if nothing had happened."""
        return not self.different

    def table(self) -> str:
        """Format the report for a terminal."""
        share = self.redone / self.images if self.images else 0.0
        rows = [
            ['calls killed', str(self.kills)],
            ['calls in all', str(self.calls)],
            ['calls that resumed', str(self.resumed)],
            ['outputs completed', f'{self.outputs} ({self.images} images)'],
            ['images redone', f'{self.redone} ({share:.1%})'],
            ['an undisturbed call (s)', f'{self.seconds:.1f}'],
            ['outputs identical', 'yes' if self.identical else 'NO'],
        ]
        table = AsciiTable(rows, 'SIGKILL')
        table.inner_heading_row_border = False
        return table.table


def kill_extractions(
    extraction: Mapping[str, Any],
    work_dir: str | Path,
    kills: int = 50,
    workers: Sequence[int] = (0, 1, 2),
    seed: int = 0,
) -> KillReport:
    """Kill extractions at random moments and resume them until they are complete.

    Every call draws its number of workers, and the moment of the kill: uniform over the
    time that an undisturbed call takes. A kill hits the process alone or its workers
    with it. An output that is complete is compared and removed, and another begun.

    Args:
        extraction (Mapping): Arguments of
            :func:`~mmdet_ovis.apis.extraction.extract_pseudo_labels` without ``out``
            and ``workers``, such as :func:`make_tiny_extraction` returns.
        work_dir (str | Path): Folder for the outputs.
        kills (int): How often.
        workers (Sequence[int]): Numbers of workers to draw from.
        seed (int): Of the moments.

    Returns:
        KillReport: What came of it.

    Raises:
        ValueError: If ``kills`` is not positive, ``workers`` is empty, or the
            checkpoint is refused.
        ChildProcessError: If a call failed that was not killed.
    """
    if kills < 1:
        raise ValueError(f'kills is a positive number, not {kills}')
    if not workers:
        raise ValueError('workers names at least one number of workers')
    # Refused here, it is one error; in the calls it would be a traceback of theirs.
    trust = extraction.get('trust_checkpoint', False)
    load_checkpoint(extraction['checkpoint'], trust=trust)
    calls = _Calls(extraction, Path(work_dir))
    usual = {n: calls.measure(n) for n in dict.fromkeys(workers)}
    moments = random.Random(seed)
    done, killed = 0, True
    while killed or done < kills:
        n = moments.choice(list(usual))
        moment, alone = moments.uniform(0, usual[n]), moments.random() < 0.5
        killed = calls.run(n, moment if done < kills else None, alone)
        done += killed
        if not killed:
            MMLogger.get_current_instance().info(
                '%d of %d kills, %s', done, kills, calls.verdict
            )
    return calls.report(done, sum(usual.values()) / len(usual))


def make_tiny_extraction(config: str | Path, work_dir: str | Path) -> dict[str, Any]:
    """Prepare an extraction of seconds: a small OpenShapes and random weights.

    Args:
        config (str | Path): ``configs/openshapes/pa_extract.py``, or one like it.
        work_dir (str | Path): Folder for the images and the weights.

    Returns:
        dict[str, Any]: For :func:`kill_extractions`.
    """
    work_dir = Path(work_dir)
    data, checkpoint = work_dir / 'openshapes', work_dir / 'random.pth'
    shapes = OpenShapesConfig(num_train=TINY_IMAGES, num_val=1, image_size=96)
    make_openshapes(data, shapes, workers=1)
    options = {'test_dataloader.dataset.data_root': str(data)}
    cfg = load_extraction_config(config, options)
    torch.manual_seed(0)
    network = MODELS.build(cfg.model)
    with atomic_open(checkpoint, 'wb') as file:
        torch.save({'state_dict': network.state_dict()}, file)
    return {
        'config': config,
        'checkpoint': checkpoint,
        'cfg_options': options,
        'chunk_size': TINY_CHUNK,
        'device': 'cpu',
    }


class _Calls:
    """Calls of one extraction in processes of their own."""

    def __init__(self, extraction: Mapping[str, Any], work_dir: Path) -> None:
        self._extraction = dict(extraction)
        self._undisturbed = work_dir / 'undisturbed'
        self._folder = work_dir / 'killed'
        self._context = _context()
        self._expected: dict[str, bytes | None] = {}
        self._calls = self._resumed = self._finished = 0
        self._outputs = self._images = self._different = 0
        for folder in (self._undisturbed, self._folder):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def verdict(self) -> str:
        """What is known by now."""
        return f'{self._outputs} outputs compared, {self._different} differ'

    def measure(self, workers: int) -> float:
        """Run undisturbed; return the seconds it takes."""
        call = _Call(self._context, self._extraction, self._undisturbed, workers)
        start = time.monotonic()
        call.wait()
        seconds = time.monotonic() - start
        contents = _contents(self._undisturbed)
        self._expected = self._expected or contents
        self._different += contents != self._expected
        shutil.rmtree(self._undisturbed)
        return seconds

    def run(self, workers: int, moment: float | None, alone: bool = True) -> bool:
        """Run until a moment, counted in seconds; return whether it was killed."""
        call = _Call(self._context, self._extraction, self._folder, workers)
        killed = not call.wait(moment) and call.kill(alone)
        self._calls += 1
        self._resumed += call.tally[0]
        self._finished += call.tally[1]
        if not killed:
            call.wait()
            contents = _contents(self._folder)
            self._outputs += 1
            self._images += contents['masks.json'].count(b'\n') - 2  # but the brackets
            self._different += contents != self._expected
            shutil.rmtree(self._folder)
        return killed

    def report(self, kills: int, seconds: float) -> KillReport:
        """Sum up all calls."""
        return KillReport(
            kills=kills,
            calls=self._calls,
            resumed=self._resumed,
            outputs=self._outputs,
            images=self._images,
            redone=self._finished - self._images,
            different=self._different,
            seconds=seconds,
        )


class _Call:
    """One call; it is under way when the object exists."""

    def __init__(
        self,
        context: BaseContext,
        extraction: Mapping[str, Any],
        folder: Path,
        workers: int,
    ) -> None:
        arguments = {**extraction, 'out': folder / 'masks.json', 'workers': workers}
        ready = context.Event()
        # Whether it resumed, images finished; without a lock, which a kill would keep.
        self.tally = context.Array('i', 2, lock=False)
        self._process = context.Process(
            target=_extract, args=(arguments, ready, self.tally)
        )
        self._process.start()
        while not ready.wait(0.1) and not self.wait(0):
            pass

    def wait(self, seconds: float | None = None) -> bool:
        """Tell whether it came to its end within so many seconds.

        Raises:
            ChildProcessError: If it failed.
        """
        self._process.join(seconds)
        if self._process.exitcode is None:
            return False
        if self._process.exitcode != 0:
            raise ChildProcessError(
                'an extraction that was not killed ended with code '
                f'{self._process.exitcode}; what it wrote to the terminal says why'
            )
        return True

    def kill(self, alone: bool) -> bool:
        """Kill it, alone or with its workers; False if it came to its end before."""
        with suppress(ProcessLookupError):
            (os.kill if alone else os.killpg)(self._process.pid, signal.SIGKILL)
        self._process.join()
        return self._process.exitcode == -signal.SIGKILL


def _contents(folder: Path) -> dict[str, bytes | None]:
    """Read all that a run leaves, by name; the summary holds times, which differ."""
    return {
        path.name: (
            None
            if path.is_dir() or path.name.endswith('.summary.json')
            else path.read_bytes()
        )
        for path in folder.iterdir()
    }


def _context() -> BaseContext:
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__])  # else every call imports for seconds
    return context


def _extract(arguments: Mapping[str, Any], ready: Any, tally: Any) -> None:
    """Run in a process of its own, which leads a process group with its workers."""
    os.setsid()
    MMLogger.get_current_instance().setLevel(logging.WARNING)

    @contextmanager
    def count(title: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
        def advance() -> None:
            tally[1] += 1

        tally[0] = done > 0
        yield advance

    ready.set()
    extract_pseudo_labels(**arguments, progress=count)
