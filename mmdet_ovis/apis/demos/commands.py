"""Commands that demos are made of: tools of this repository on OpenShapes' configs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...utils.io import read_json
from ..running import load_config
from .stages import Stage

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = 'configs/openshapes'
SEEN, UNSEEN = 'openshapes_seen', 'openshapes_unseen'
NO_VALIDATION = ('val_dataloader=None', 'val_evaluator=None', 'val_cfg=None')
"""Settings of a training whose next stage tests."""


def config_path(name: str) -> Path:
    """Return the path of one of OpenShapes' configs."""
    return ROOT / CONFIGS / f'{name}.py'


@cache
def read_config(name: str) -> Config:
    """Load one of OpenShapes' configs, once."""
    return load_config(config_path(name))


def last_checkpoint(folder: Path, config: str, epochs: int = 0) -> Path:
    """Name the last checkpoint of a training of so many epochs, or of its config's."""
    return folder / f'epoch_{epochs or read_config(config).train_cfg.max_epochs}.pth'


def data_options(data_root: Path, *loaders: str) -> list[str]:
    """Return the settings that tell dataloaders where the data lie."""
    root = os.fspath(data_root)
    return [f'{loader}_dataloader.dataset.data_root={root}' for loader in loaders]


def make_stage(
    name: str,
    title: str,
    script: str,
    *arguments: object,
    config: str | None = None,
    output: Path | None = None,
) -> Stage:
    """Make a stage that runs a tool.

    Args:
        name (str): See :class:`.stages.Stage`, as ``title`` and ``output``.
        title (str): See there.
        script (str): Path of the tool in the repository.
        *arguments (object): Its arguments.
        config (str, optional): Config that its result depends on.
        output (Path, optional): See there.
    """
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    inputs = read_config(config).pretty_text if config else ''
    return Stage(name, title, command, output, inputs)


def openshapes_stage(
    data_root: Path, num_train: int, num_val: int, size: int, color_bias: float
) -> Stage:
    """Make a stage that makes the images, see ``make_openshapes.py``.

    Args:
        data_root (Path): Folder of the dataset.
        num_train (int): Training images.
        num_val (int): Test images.
        size (int): Side of the images in pixels.
        color_bias (float): Share of the objects with the typical colour of their shape.
    """
    return make_stage(
        'data',
        'make OpenShapes',
        'tools/dataset_converters/make_openshapes.py',
        *('--out', data_root, '--num-train', num_train),
        *('--num-val', num_val, '--size', size, '--color-bias', color_bias),
    )


def train_stage(
    name: str, title: str, config: str, folder: Path, seed: int, *settings: str
) -> Stage:
    """Make a stage that trains, and goes on with what it has when it is repeated.

    Args:
        name (str): Of the stage.
        title (str): What it does, for people.
        config (str): One of OpenShapes'.
        folder (Path): Takes checkpoints and logs.
        seed (int): Of everything that is random.
        *settings (str): Changes to the config, ``key=value``.
    """
    return make_stage(
        name,
        title,
        'tools/train.py',
        *(config_path(config), '--work-dir', folder, '--resume', '--cfg-options'),
        *(f'randomness.seed={seed}', *settings),
        config=config,
        output=folder,
    )


def read_metrics(file: Path) -> dict[str, Any]:
    """Read what ``tools/test.py --metrics-out`` wrote, by bare names of the metrics."""
    metrics: Mapping[str, Any] = read_json(file)
    return {key.rpartition('/')[2]: value for key, value in metrics.items()}
