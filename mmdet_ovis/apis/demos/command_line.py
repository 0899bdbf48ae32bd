"""Command lines of demos: an option for each size."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType

HELPS = MappingProxyType(
    {
        'work_dir': 'checkpoints, masks, metrics, pictures',
        'data_root': 'OpenShapes; made if it is not there',
        'seed': 'of all trainings',
        'num_train': 'training images',
        'num_val': 'test images',
        'size': 'side of the images in pixels',
        'num_pictures': 'images that are drawn',
        'color_bias': 'share of objects with the typical colour of their shape',
        'epochs': 'of the detectors; 0: those of their configs',
    }
)


def add_demo_options(
    parser: argparse.ArgumentParser, options: type, **helps: str
) -> None:
    """Add an option for each path and number of a demo.

    Args:
        parser (ArgumentParser): Changed in place.
        options (type): Dataclass with defaults.
        **helps (str): What to say of a field in place of what is usual.
    """
    for field in fields(options):
        kind = Path if isinstance(field.default, Path) else type(field.default)
        if kind not in (Path, int, float):
            continue
        text = helps.get(field.name, HELPS[field.name])
        parser.add_argument(
            '--' + field.name.replace('_', '-'),
            type=kind,
            default=field.default,
            help=f'{text} (default: {field.default})',
        )
