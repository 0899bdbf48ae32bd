"""Checkpoints are data: loading one never runs code from it.

``mmdet_ovis.utils.mmengine_files`` makes mmengine load by the same rules, so that
``load_from``, ``resume`` and ``init_cfg=dict(type='Pretrained')`` are strict too.
"""

from __future__ import annotations

import os
import pickle
import re
import struct
import urllib.error
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MMLogger
from torch import nn

_SHOWN_KEYS = 3
_HISTORY_STATISTICS = ('min', 'max', 'current', 'mean')
_REFUSED = re.compile(
    r'Unsupported (?:global|class)(?:: \w+ [\w.]+)?|unsupported GLOBAL [\w.]+'
    r'|unrecognized function|getattr of \S+|Can only (?:build|create|set)[^,.]*'
)
_DAMAGE = (  # what the unpicklers raise on bytes that are no checkpoint
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OverflowError,
    MemoryError,
    AssertionError,
    OSError,
    struct.error,
    zipfile.BadZipFile,
)
_BENCHMARK = (
    'it looks like the original code of OVR-CNN or CMPL; convert it with '
    'tools/model_converters/convert_cmpl.py'
)
_trusted = False


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: unsafe, broken or of another model."""


class DamagedCheckpointError(CheckpointError):
    """A file that is no checkpoint, or of which something is missing or changed."""


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

    Files of all versions of PyTorch are read. In those of PyTorch 1.6 and later the
    checksums are compared as well, which :func:`torch.load` does not do.

    Args:
        path (str | PathLike): A ``.pth`` file.
        map_location (Any): As for :func:`torch.load`.
        trust (bool): Allow arbitrary pickles. Only for files of one's own making.

    Returns:
        dict: What the file holds.

    Raises:
        FileNotFoundError: If there is no such file.
        DamagedCheckpointError: If the file is truncated, changed or not a checkpoint.
        CheckpointError: If it holds objects other than tensors and plain data.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'no such checkpoint: {path}')
    with _strictly(path, trust) as how:
        _check_sums(path)
        return _need_dict(torch.load(path, map_location, **how), path)


def load_checkpoint_stream(file: IO[bytes], name: str, map_location: Any) -> dict:
    """Do the same with an open file, which messages call ``name``."""
    with _strictly(name) as how:
        return _need_dict(torch.load(file, map_location, **how), name)


def load_checkpoint_url(url: str, map_location: Any, **options: Any) -> dict:
    """Do the same with a file of the web, which is kept in PyTorch's cache.

    Args:
        url (str): Address of a file.
        map_location (Any): As for :func:`torch.load`.
        **options: Of :func:`torch.hub.load_state_dict_from_url`.

    Returns:
        dict: What the file holds.

    Raises:
        OSError: If it cannot be downloaded.
        CheckpointError: If it is refused.
    """
    load = torch.hub.load_state_dict_from_url
    with _strictly(url) as how:
        return _need_dict(load(url, map_location=map_location, **options, **how), url)


@contextmanager
def _strictly(
    source: str | os.PathLike, trust: bool = False
) -> Iterator[dict[str, bool]]:
    """Yield how PyTorch is to load; what it raises is said again with the source."""
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            yield {'weights_only': not (trust or _trusted)}
    except CheckpointError:
        raise
    except urllib.error.URLError as error:
        raise OSError(f'cannot download {source}: {error.reason}') from None
    except pickle.UnpicklingError as error:
        refused = _REFUSED.search(str(error))
        if refused is None:
            raise DamagedCheckpointError(
                f'{source} is not a checkpoint or is damaged'
            ) from None
        raise CheckpointError(
            f'{source} holds more than weights and plain data ({refused[0]}) and was '
            'not loaded, because loading it could run code; if you trust its origin, '
            'pass --trust-checkpoint'
        ) from None
    except ImportError as error:
        raise CheckpointError(
            f'{source} holds objects of code that is not installed: {error}'
        ) from None
    except _DAMAGE as error:
        reason = re.split(r'\n|\. ', str(error).strip())[0] or type(error).__name__
        raise DamagedCheckpointError(
            f'{source} is not a checkpoint or is damaged: {reason}'
        ) from None


def _need_dict(content: Any, source: str | os.PathLike) -> dict:
    if not isinstance(content, dict):
        raise CheckpointError(
            f'{source} holds a {type(content).__name__}, not a dict of weights'
        )
    return content


def _check_sums(path: Path) -> None:
    """See that no byte of a zip file has changed; older files have no checksums."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        # torch.serialization.set_crc32_options(False) writes zeros.
        if any(part.CRC for part in archive.infolist()) and archive.testzip():
            raise DamagedCheckpointError(
                f'{path} is damaged: its checksums are wrong; copy or write it again'
            )


def load_model_checkpoint(
    model: nn.Module, path: str | os.PathLike, trust: bool = False
) -> dict:
    """Load weights into a model and insist that they fit.

    A model that takes weights of another one says how: its ``adapt_state_dict`` gives
    them the names that they have here.

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
    state = model_state(checkpoint, path)
    if hasattr(model, 'adapt_state_dict'):
        state = model.adapt_state_dict(state)
    check_state_dict(model, state, path)
    model.load_state_dict(state, strict=True)
    MMLogger.get_current_instance().info('loaded weights of %s', path)
    return checkpoint


def model_state(
    checkpoint: Mapping[str, Any], source: str | os.PathLike
) -> dict[str, torch.Tensor]:
    """Return the parameters and buffers that a checkpoint holds.

    Args:
        checkpoint (Mapping): A checkpoint with ``state_dict``, or a state dict. The
            prefix ``module.``, which a distributed model leaves, is taken off.
        source (str | PathLike): Where it comes from, for the message.

    Returns:
        dict[str, Tensor]: By name.

    Raises:
        CheckpointError: If there is anything but tensors in it.

    Examples:
        >>> list(model_state({'state_dict': {'module.bias': torch.zeros(2)}}, 'a.pth'))
        ['bias']
    """
    state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, Mapping):
        raise CheckpointError(
            f"{source}: 'state_dict' is a {type(state).__name__}, not a dict of weights"
        )
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise CheckpointError(
                f'{source} is not a checkpoint of a model: {key!r} is a '
                f'{type(value).__name__}, not a tensor{_hint(key, value)}'
            )
    return {key.removeprefix('module.'): value for key, value in state.items()}


def _hint(key: Any, value: Any) -> str:
    if key != 'model' or not isinstance(value, Mapping):
        return ''
    return f'; {_BENCHMARK}' if any('backbone.body.' in str(k) for k in value) else ''


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
            f'({type(model).__name__}): {"; ".join(complaints)}. {_remedy(state)}'
        )


def _remedy(state: Mapping[str, Any]) -> str:
    if any(key.startswith('classifier.') for key in state):
        return (
            'It looks like the original code of GGN; convert it with '
            'tools/model_converters/convert_ggn.py.'
        )
    return 'Use the config that it was trained with.'


def _reshaped(own: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    return [
        f'{key}: {tuple(state[key].shape)} instead of {tuple(value.shape)}'
        for key, value in own.items()
        if key in state
        and isinstance(value, torch.Tensor)
        and tuple(getattr(state[key], 'shape', ())) != tuple(value.shape)
    ]
