"""Checkpoints are data: loading one never runs code from it.

mmengine 0.10.12 falls back to an unrestricted unpickling when the restricted one
refuses a file, so a booby-trapped checkpoint runs what it likes. Importing this
module replaces mmengine's loader for local files by :func:`load_checkpoint`, so that
``load_from``, ``resume`` and ``init_cfg=dict(type='Pretrained')`` are strict too.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MMLogger
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

_SHOWN_KEYS = 3
_HISTORY_STATISTICS = ('min', 'max', 'current', 'mean')
_REFUSED = re.compile(
    r'Unsupported (?:global|class)(?:: \w+ [\w.]+)?|unsupported GLOBAL [\w.]+'
    r'|unrecognized function|getattr of \S+|Can only (?:build|create|set)[^,.]*'
)
_trusted = False


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: unsafe, broken or of another model."""


def _safe_globals() -> list[Any]:
    """Plain containers of numbers that mmengine's own checkpoints hold.

    mmengine allows ``getattr`` in full, which makes the restriction void; its
    checkpoints need it for the four statistics of their log buffers only.
    """
    core = np._core.multiarray
    return [
        HistoryBuffer,
        (_get_statistic, 'builtins.getattr'),
        slice,
        core._reconstruct,
        core.scalar,
        np.ndarray,
        np.dtype,
        *{type(np.dtype(kind)) for kind in 'bBhHiIlLqQefd?'},
    ]


def _get_statistic(owner: Any, name: str) -> Any:
    if owner is not HistoryBuffer or name not in _HISTORY_STATISTICS:
        raise pickle.UnpicklingError(f'getattr of {owner!r}, {name!r}')
    return getattr(owner, name)


@contextmanager
def trust_checkpoints(trust: bool = True) -> Iterator[None]:
    """Within this context checkpoints may run code, on the user's explicit word.

    Args:
        trust (bool): False leaves everything as it is, so that a flag can be passed
            on.
    """
    global _trusted
    before, _trusted = _trusted, _trusted or trust
    try:
        yield
    finally:
        _trusted = before


def load_checkpoint(
    path: str | os.PathLike, map_location: Any = 'cpu', trust: bool = False
) -> dict:
    """Load a checkpoint file without running code from it.

    Args:
        path (str | PathLike): A ``.pth`` file.
        map_location (Any): As for :func:`torch.load`.
        trust (bool): Allow arbitrary pickles. Only for files of one's own making.

    Returns:
        dict: What the file holds.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is truncated, not a checkpoint, or holds objects
            other than tensors and plain data.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'no such checkpoint: {path}')
    if trust or _trusted:
        return torch.load(path, map_location=map_location, weights_only=False)
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        refused = _REFUSED.search(str(error))
        if refused is None:
            raise CheckpointError(f'{path} is not a checkpoint or is damaged') from None
        raise CheckpointError(
            f'{path} holds more than weights and plain data ({refused[0]}) and was '
            'not loaded, because loading it could run code; if you trust its origin, '
            'pass --trust-checkpoint'
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = str(error).strip().partition('\n')[0] or type(error).__name__
        raise CheckpointError(
            f'{path} is not a checkpoint or is damaged: {reason}'
        ) from None


def load_model_checkpoint(
    model: nn.Module, path: str | os.PathLike, trust: bool = False
) -> dict:
    """Load weights into a model and insist that they fit.

    Args:
        model (nn.Module): The model, changed in place.
        path (str | PathLike): A checkpoint with ``state_dict``, or a state dict.
        trust (bool): See :func:`load_checkpoint`.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it cannot be read, or its parameters are not exactly those
            of the model; the message names some of the keys.
    """
    checkpoint = load_checkpoint(path, trust=trust)
    state = checkpoint.get('state_dict', checkpoint)
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    check_state_dict(model, state, path)
    model.load_state_dict(state, strict=True)
    MMLogger.get_current_instance().info('loaded weights of %s', path)
    return checkpoint


def check_state_dict(
    model: nn.Module, state: Mapping[str, Any], source: str | os.PathLike
) -> None:
    """Check that a state dict has exactly the parameters of a model.

    Raises:
        CheckpointError: If not; the message says what is missing, unexpected or of
            another shape.
    """
    own = model.state_dict()
    complaints = []
    for what, keys in (
        ('missing', [key for key in own if key not in state]),
        ('unexpected', [key for key in state if key not in own]),
        ('of another shape', _reshaped(own, state)),
    ):
        if keys:
            shown = ', '.join(keys[:_SHOWN_KEYS])
            more = ', ...' if len(keys) > _SHOWN_KEYS else ''
            complaints.append(f'{len(keys)} {what} ({shown}{more})')
    if complaints:
        raise CheckpointError(
            f'{source} is a checkpoint of another model than the config builds '
            f'({type(model).__name__}): {"; ".join(complaints)}. '
            'Use the config that it was trained with.'
        )


def _reshaped(own: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    return [
        f'{key}: {tuple(state[key].shape)} instead of {tuple(value.shape)}'
        for key, value in own.items()
        if key in state
        and isinstance(value, torch.Tensor)
        and tuple(getattr(state[key], 'shape', ())) != tuple(value.shape)
    ]


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> dict:
    """Load a local checkpoint strictly; mmengine calls this for every file."""
    return load_checkpoint(filename, map_location=map_location)
