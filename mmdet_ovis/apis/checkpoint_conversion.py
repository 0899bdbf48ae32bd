"""Released checkpoints of GGN and OLN made loadable, and checked against a model."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
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
from ..utils.checkpoint_conversion import Conversion, convert_state_dict
from ..utils.io import atomic_write_bytes
from ..version import __version__
from .running import load_config

CONVERTER_VERSION = 1
"""Raised when the same input gives another output."""

_PREDICTOR = 'affinity_head.predictor.weight'


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
) -> ConversionReport:
    """Convert a checkpoint of the original of GGN or OLN.

    The result holds tensors, and under ``meta`` plain text: ``source``, ``kind``,
    ``sha256`` of the input, ``converter_version`` and ``mmdet_ovis_version``. It is
    written only if its parameters are exactly those of the model of a config.

    Args:
        source (str | PathLike): A checkpoint of mmdet 2.x, see
            `mmdet_ovis.utils.checkpoint_conversion.LAYOUTS`.
        target (str | PathLike): Where to write.
        config_root (str | PathLike): The folder ``configs``.
        config (str | PathLike, optional): Config to check against. Defaults to that of
            the released models of this kind.
        cfg_options (Mapping, optional): Overrides of the config.
        trust (bool): Load the input even if it holds pickled code.

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
    conversion = convert_state_dict(model_state(checkpoint, source), str(source))
    if config is None and conversion.config is None:
        raise CheckpointError(
            f'{source} is a {conversion.layout.name} with {conversion.norm.upper()} '
            'layers, for which there is no config; name one with --config'
        )
    config = Path(config or Path(config_root, conversion.config))
    cfg = load_config(config, cfg_options)
    options = {**(cfg_options or {}), **_set_channels(cfg, conversion)}
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


def _set_channels(cfg: Config, conversion: Conversion) -> dict[str, Any]:
    """Take the number of affinities from the parameters; return what that changes."""
    predictor = conversion.state_dict.get(_PREDICTOR)
    head = cfg.model.get('affinity_head')
    if predictor is None or head is None or head.num_affinity == len(predictor):
        return {}
    head.num_affinity = len(predictor)
    return {'model.affinity_head.num_affinity': len(predictor)}


def _check_fit(cfg: Config, conversion: Conversion, source: Path) -> None:
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):  # names and shapes are enough
        model = MODELS.build(cfg.model)
    try:
        check_state_dict(model, conversion.state_dict, source)
    except CheckpointError as error:
        raise CheckpointError(f'{error} Name it with --config.') from None
