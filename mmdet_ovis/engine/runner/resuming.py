"""What can be resumed from, and what to say where it cannot."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...utils.checkpoint import CheckpointError, DamagedCheckpointError, load_checkpoint
from ..hooks.checkpoint_hook import POINTER


def check_pointer(work_dir: str | os.PathLike) -> None:
    """Check that ``last_checkpoint`` of a work folder, if it is there, names a file.

    Raises:
        DamagedCheckpointError: If it is empty, as a writer leaves it that was killed.
    """
    pointer = Path(work_dir, POINTER)
    if pointer.is_file() and not pointer.read_text(encoding='utf-8').strip():
        raise DamagedCheckpointError(f'{pointer} is empty; {alternative_to(pointer)}')


def check_training_state(
    checkpoint: Mapping[str, Any], source: str | os.PathLike
) -> None:
    """Check that a checkpoint says where training stood.

    Args:
        checkpoint (Mapping): Its content.
        source (str | PathLike): Where it comes from, for the message.

    Raises:
        CheckpointError: If it does not.
    """
    meta = checkpoint.get('meta')
    if (
        not isinstance(meta, Mapping)
        or not {'epoch', 'iter'} <= meta.keys()
        or 'message_hub' not in checkpoint
    ):
        raise CheckpointError(
            f'{source} holds weights without the state of their training, which cannot '
            'go on from it; start a new one with --cfg-options load_from=...'
        )


def alternative_to(
    path: str | os.PathLike, work_dir: str | os.PathLike | None = None
) -> str:
    """Say which other checkpoint could be resumed from.

    Args:
        path (str | PathLike): The one that cannot; those in its folder are tried, the
            newest first.
        work_dir (str | PathLike, optional): Where to look if that folder is gone.

    Returns:
        str: A clause for a message.
    """
    folder = Path(path).parent
    if work_dir is not None and not folder.is_dir():
        folder = Path(work_dir)
    others = [other for other in folder.glob('*.pth') if other != Path(path)]
    for other in sorted(others, key=lambda file: file.stat().st_mtime, reverse=True):
        if _is_whole(other):
            return (
                f'the newest whole checkpoint beside it is {other}, go on from there '
                f'with --resume {other}'
            )
    return 'there is no whole checkpoint beside it'


def _is_whole(path: Path) -> bool:
    """Tell whether a file can be read and holds all that training needs to go on."""
    try:
        checkpoint = load_checkpoint(path)
        check_training_state(checkpoint, path)
    except CheckpointError:
        return False
    return 'optimizer' in checkpoint  # the best ones are saved without
