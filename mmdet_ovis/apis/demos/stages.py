"""Chains of commands that go on where they were stopped."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ...utils.io import atomic_write_json, read_json
from ...utils.parallel import available_cores

_LOG_TAIL = 25


class StageError(ValueError):
    """A command of a chain failed."""


@dataclass(frozen=True)
class Stage:
    """One command of a chain.

    Attributes:
        name (str): Short name, unique in the chain.
        title (str): What it does, for people.
        command (Sequence[str]): Program and arguments.
        output (Path, optional): A folder of its own, emptied before the stage is run
            with another command than the last time.
        inputs (str): Whatever else its result depends on, for example the text of
            a config.
    """

    name: str
    title: str
    command: Sequence[str]
    output: Path | None = None
    inputs: str = ''


def run_stages(
    chain: Sequence[Stage | tuple[Stage, ...]],
    work_dir: str | os.PathLike,
    report: Callable[[str], None],
) -> dict[str, float]:
    """Run stages in order, leaving out those that are done.

    A stage counts as done if it ended well with the same command, the same inputs and
    the same stages before it. One that was interrupted is run again; its command is
    expected to pick up its own work.

    Args:
        chain (Sequence[Stage | tuple[Stage, ...]]): The stages. Those of a tuple do not
            need each other: they run side by side and share the cores.
        work_dir (str | PathLike): Takes ``stages/<name>.json`` and ``logs/<name>.log``.
        report (Callable[[str], None]): Receives lines when stages start and end.

    Returns:
        dict[str, float]: Seconds each stage took, over all its runs.

    Raises:
        StageError: If a command fails; the message holds the end of its log.
    """
    work_dir = Path(work_dir)
    seconds: dict[str, float] = {}
    signature = ''
    for number, link in enumerate(chain, 1):
        group = link if isinstance(link, tuple) else (link,)
        runs = [_Run(stage, work_dir, signature) for stage in group]
        signature = ''.join(run.signature for run in runs)
        for run in runs:
            head = f'[{number}/{len(chain)}] {run.stage.title}'
            if run.done:
                report(f'{head}: done before ({run.seconds:.0f} s)')
            else:
                report(f'{head}\n    {shlex.join(run.stage.command)}')
        pending = [run for run in runs if not run.done]
        if pending:
            _run_together(pending)
            report(f'    {max(run.seconds for run in pending):.0f} s')
        seconds.update({run.stage.name: run.seconds for run in runs})
    return seconds


def _run_together(runs: Sequence[_Run]) -> None:
    threads = max(1, available_cores() // len(runs))
    with ThreadPoolExecutor(len(runs)) as pool:
        futures = [pool.submit(run.execute, threads) for run in runs]
    for future in futures:
        future.result()


class _Run:
    """One stage in one chain: what is known of it, and its execution."""

    def __init__(self, stage: Stage, work_dir: Path, previous: str) -> None:
        self.stage = stage
        self.signature = _sign(previous, stage)
        self.record_file = work_dir / 'stages' / f'{stage.name}.json'
        self.log_file = work_dir / 'logs' / f'{stage.name}.log'
        record = read_json(self.record_file) if self.record_file.is_file() else {}
        self.same = record.get('signature') == self.signature
        self.done = self.same and record['done']
        self.seconds = record['seconds'] if self.same else 0.0

    def execute(self, threads: int) -> None:
        """Run the command with so many threads; its log and record are written."""
        output = self.stage.output
        if not self.same and output is not None and output.is_dir():
            shutil.rmtree(output)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        spent, start = self.seconds, time.monotonic()
        self._record()
        code = None
        try:
            with self.log_file.open('w', encoding='utf-8') as log:
                code = subprocess.run(
                    list(self.stage.command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, 'OMP_NUM_THREADS': str(threads)},
                    check=False,
                ).returncode
        finally:
            self.seconds = spent + time.monotonic() - start
            self.done = code == 0
            self._record()
        if not self.done:
            tail = self.log_file.read_text(encoding='utf-8', errors='replace')
            raise StageError(
                f"stage '{self.stage.name}' failed with code {code}; the end of "
                f'{self.log_file}:\n' + '\n'.join(tail.splitlines()[-_LOG_TAIL:])
            )

    def _record(self) -> None:
        atomic_write_json(
            self.record_file,
            {
                'signature': self.signature,
                'done': self.done,
                'seconds': self.seconds,
            },
        )


def _sign(previous: str, stage: Stage) -> str:
    text = json.dumps([previous, stage.name, list(stage.command), stage.inputs])
    return hashlib.sha256(text.encode()).hexdigest()
