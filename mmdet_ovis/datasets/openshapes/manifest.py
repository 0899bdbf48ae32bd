"""The file that says which configuration made a dataset, and whether it is whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage

from mmdet_ovis.utils.io import read_json

from .config import GENERATOR_VERSION, OpenShapesConfig

MANIFEST = 'openshapes.json'
KINDS = ('instances', 'captions')


@dataclass(frozen=True)
class OpenShapesPaths:
    """Where the parts of a dataset are.

    Attributes:
        root (Path): Folder of the dataset.
    """

    root: Path

    @property
    def manifest(self) -> Path:
        """The file that says which configuration made the dataset."""
        return self.root / MANIFEST

    def images(self, split: str) -> Path:
        """Folder of the pictures of ``'train'`` or ``'val'``."""
        return self.root / split

    def annotations(self, kind: str, split: str) -> Path:
        """File of the ``'instances'`` or the ``'captions'`` of a split."""
        return self.root / 'annotations' / f'{kind}_{split}.json'


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 digest."""
    return hashlib.sha256(data).hexdigest()


def new_manifest(config: OpenShapesConfig) -> dict[str, Any]:
    """Manifest of a dataset of which nothing is there yet.

    The versions of the libraries are for the record: they may change the bytes, but
    not what the dataset is.
    """
    return {
        'generator_version': GENERATOR_VERSION,
        'signature': config.signature(),
        'config': config.to_dict(),
        'libraries': {
            'numpy': np.__version__,
            'opencv': cv2.__version__,
            'scikit-image': skimage.__version__,
        },
        'complete': False,
        'splits': {},
    }


def find_complete(
    paths: OpenShapesPaths, config: OpenShapesConfig
) -> dict[str, Any] | None:
    """Look for a finished dataset.

    Args:
        paths (OpenShapesPaths): Where to look.
        config (OpenShapesConfig): What it has to be.

    Returns:
        dict | None: Its manifest; None if the folder is empty or holds an unfinished
        or damaged dataset of this configuration.

    Raises:
        FileExistsError: If the folder holds something else.
        ValueError: If the manifest is not JSON.
    """
    if not paths.manifest.exists():
        if paths.root.is_dir() and any(paths.root.iterdir()):
            raise FileExistsError(
                f'{paths.root} is not empty and holds no {MANIFEST}: name a new '
                'folder, or set overwrite to put OpenShapes there'
            )
        return None
    manifest = read_json(paths.manifest)
    if manifest.get('signature') != config.signature():
        raise FileExistsError(
            f'{paths.root} holds an OpenShapes dataset of another configuration '
            f'({_difference(manifest, config)}): name a new folder, or set overwrite '
            'to replace it'
        )
    return manifest if _is_intact(paths, manifest) else None


def _difference(manifest: dict[str, Any], config: OpenShapesConfig) -> str:
    there = {
        'generator_version': manifest.get('generator_version'),
        **manifest.get('config', {}),
    }
    here = {'generator_version': GENERATOR_VERSION, **config.to_dict()}
    return ', '.join(
        f'{key} is {there.get(key)} there and {here.get(key)} here'
        for key in sorted(there.keys() | here.keys())
        if there.get(key) != here.get(key)
    )


def _is_intact(paths: OpenShapesPaths, manifest: dict[str, Any]) -> bool:
    """Whether all pictures are there and the annotations are the ones written."""
    return manifest['complete'] and all(
        _is_split_intact(paths, split, content)
        for split, content in manifest['splits'].items()
    )


def _is_split_intact(
    paths: OpenShapesPaths, split: str, content: dict[str, Any]
) -> bool:
    if len(list(paths.images(split).glob('*.jpg'))) != content['num_images']:
        return False
    for kind in KINDS:
        path = paths.annotations(kind, split)
        if not path.is_file() or sha256(path.read_bytes()) != content[kind]:
            return False
    return True
