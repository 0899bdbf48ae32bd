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
from dataclasses import dataclass
from pathlib import Path

from ..utils.io import atomic_write_json, read_json

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
    stages: Sequence[Stage],
    work_dir: str | os.PathLike,
    report: Callable[[str], None],
    env: dict[str, str] | None = None,
) -> dict[str, float]:
    """Run stages in order, leaving out those that are done.

    A stage counts as done if it ended well with the same command, the same inputs and
    the same stages before it. One that was interrupted is run again; its command is
    expected to pick up its own work.

    Args:
        stages (Sequence[Stage]): The chain.
        work_dir (str | PathLike): Takes ``stages/<name>.json`` and ``logs/<name>.log``.
        report (Callable[[str], None]): Receives one line at start and end of a stage.
        env (dict[str, str], optional): Environment of the commands.

    Returns:
        dict[str, float]: Seconds each stage took, over all its runs.

    Raises:
        StageError: If a command fails; the message holds the end of its log.
    """
    work_dir = Path(work_dir)
    seconds: dict[str, float] = {}
    signature = ''
    for number, stage in enumerate(stages, 1):
        signature = _sign(signature, stage)
        head = f'[{number}/{len(stages)}] {stage.title}'
        record_file = work_dir / 'stages' / f'{stage.name}.json'
        record = read_json(record_file) if record_file.is_file() else {}
        same = record.get('signature') == signature
        if same and record['done']:
            report(f'{head}: done before ({record["seconds"]:.0f} s)')
            seconds[stage.name] = record['seconds']
            continue
        if not same and stage.output is not None and stage.output.is_dir():
            shutil.rmtree(stage.output)
        report(f'{head}\n    {shlex.join(stage.command)}')
        spent = record['seconds'] if same else 0.0
        seconds[stage.name] = _run(stage, work_dir, record_file, signature, spent, env)
        report(f'    {seconds[stage.name]:.0f} s')
    return seconds


def _sign(previous: str, stage: Stage) -> str:
    text = json.dumps([previous, stage.name, list(stage.command), stage.inputs])
    return hashlib.sha256(text.encode()).hexdigest()


def _run(
    stage: Stage,
    work_dir: Path,
    record_file: Path,
    signature: str,
    spent: float,
    env: dict[str, str] | None,
) -> float:
    log_file = work_dir / 'logs' / f'{stage.name}.log'
    log_file.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()

    def record(done: bool) -> float:
        total = spent + time.monotonic() - start
        atomic_write_json(
            record_file, {'signature': signature, 'done': done, 'seconds': total}
        )
        return total

    record(done=False)
    try:
        with log_file.open('w', encoding='utf-8') as log:
            code = subprocess.run(
                list(stage.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                check=False,
            ).returncode
    finally:
        total = record(done=False)
    if code != 0:
        tail = log_file.read_text(encoding='utf-8', errors='replace').splitlines()
        raise StageError(
            f"stage '{stage.name}' failed with code {code}; the end of {log_file}:\n"
            + '\n'.join(tail[-_LOG_TAIL:])
        )
    record(done=True)
    return total
