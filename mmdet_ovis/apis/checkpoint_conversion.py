"""Released checkpoints made loadable, and checked against a model."""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..pseudo_labels.signature import file_sha256
from ..utils.checkpoint import (
    CheckpointError,
    check_state_dict,
    load_checkpoint,
    model_state,
)
from ..utils.checkpoint_conversion import (
    LAYOUTS,
    Conversion,
    Layout,
    convert_state_dict,
)
from ..utils.cli import add_cfg_options, add_trust_checkpoint
from ..utils.io import atomic_write_bytes
from ..version import __version__
from .running import load_config

CONVERTER_VERSION = 1
"""Raised when the same input gives another output."""


@dataclass(frozen=True)
class ConversionReport:
    """What a conversion found and did.

    Attributes:
        kind (str): What the input is.
        num_parameters (int): Values that were written, buffers included.
        config (Path): Config that they fit.
        options (dict): Settings of that config that had to be others, for
            ``--cfg-options``.
    """

    kind: str
    num_parameters: int
    config: Path
    options: dict[str, Any]

    def __str__(self) -> str:
        fits = os.path.relpath(self.config)
        if self.options:
            settings = ' '.join(f'{key}={value}' for key, value in self.options.items())
            fits += f' --cfg-options {settings}'
        return f'{self.kind}, {self.num_parameters:,} values; fits {fits}'


def convert_checkpoint(
    source: str | os.PathLike,
    target: str | os.PathLike,
    config_root: str | os.PathLike,
    config: str | os.PathLike | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    trust: bool = False,
    layouts: Sequence[Layout] = LAYOUTS,
) -> ConversionReport:
    """Convert a checkpoint of the original code of a paper.

    The result holds tensors, and under ``meta`` plain text: ``source``, ``kind``,
    ``sha256`` of the input, ``converter_version`` and ``mmdet_ovis_version``. It is
    written only if its parameters are exactly those of the model of a config.

    Args:
        source (str | PathLike): A checkpoint of one of the layouts.
        target (str | PathLike): Where to write.
        config_root (str | PathLike): The folder ``configs``.
        config (str | PathLike, optional): Config to check against. Defaults to that of
            the released models of this kind.
        cfg_options (Mapping, optional): Overrides of the config.
        trust (bool): Load the input even if it holds pickled code.
        layouts (Sequence[Layout]): What it may be. Defaults to what GGN and OLN
            released.

    Returns:
        ConversionReport: What it was, and the config that it fits.

    Raises:
        FileNotFoundError: If input or config are missing.
        CheckpointError: If the input cannot be read, is of no known kind, or does not
            fit the config.
        ValueError: If input and output are the same file.
    """
    source, target = Path(source), Path(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f'{target} is the input; write to another file')
    checkpoint = load_checkpoint(source, trust=trust)
    state = model_state(_weights(checkpoint), source)
    conversion = convert_state_dict(state, str(source), layouts)
    if config is None and conversion.config is None:
        raise CheckpointError(
            f'{source} is a {conversion.layout.name} with {conversion.norm.upper()} '
            'layers, for which there is no config; name one with --config'
        )
    config = Path(config or Path(config_root, conversion.config))
    cfg = load_config(config, cfg_options)
    options = {**(cfg_options or {}), **_set_sizes(cfg, conversion)}
    _check_fit(cfg, conversion, source)
    meta = {
        'source': source.name,
        'kind': conversion.layout.name,
        'sha256': file_sha256(source),
        'converter_version': CONVERTER_VERSION,
        'mmdet_ovis_version': __version__,
    }
    buffer = io.BytesIO()
    torch.save({'state_dict': conversion.state_dict, 'meta': meta}, buffer)
    atomic_write_bytes(target, buffer.getvalue())
    number = sum(value.numel() for value in conversion.state_dict.values())
    return ConversionReport(conversion.layout.name, number, config, options)


def _weights(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what stands under ``model``, where maskrcnn-benchmark keeps weights."""
    weights = checkpoint.get('model')
    return weights if isinstance(weights, Mapping) else checkpoint


def _set_sizes(cfg: Config, conversion: Conversion) -> dict[str, Any]:
    """Take numbers of channels from the parameters; return what that changes."""
    changed = {}
    for key, option in conversion.layout.sizes:
        parameter = conversion.state_dict.get(key)
        *path, name = option.split('.')
        part = cfg
        for step in path:
            part = part.get(step) or {}
        if parameter is None or part.get(name) in (None, len(parameter)):
            continue
        changed[option] = len(parameter)
    cfg.merge_from_dict(changed)
    return changed


def _check_fit(cfg: Config, conversion: Conversion, source: Path) -> None:
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    with torch.device('meta'):  # names and shapes are enough
        model = MODELS.build(cfg.model)
    state = conversion.state_dict
    if hasattr(model, 'adapt_state_dict'):  # as in loading
        state = model.adapt_state_dict(state)
    try:
        check_state_dict(model, state, source)
    except CheckpointError as error:
        raise CheckpointError(f'{error} Name it with --config.') from None


def add_conversion_arguments(parser: argparse.ArgumentParser, option: str) -> None:
    """Add what tools that convert checkpoints share.

    Args:
        parser (ArgumentParser): Changed in place.
        option (str): A setting that users of this tool would override.
    """
    parser.add_argument('source', metavar='IN', help='checkpoint of the original')
    parser.add_argument('target', metavar='OUT', help='checkpoint to write')
    parser.add_argument(
        '--config',
        help='config to check against (default: that of the released models)',
    )
    add_cfg_options(parser, option)
    add_trust_checkpoint(parser)
