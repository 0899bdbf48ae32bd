"""Write an OpenShapes dataset to disk."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmdet_ovis.utils.io import atomic_write_json
from mmdet_ovis.utils.parallel import map_in_processes

from .captions import write_captions
from .coco import annotate, coco_files, mentions_of
from .config import SPLITS, OpenShapesConfig
from .manifest import KINDS, OpenShapesPaths, find_complete, new_manifest, sha256
from .render import render_scene
from .sampling import image_rng, sample_scene

ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True)
class OpenShapesSummary:
    """What :func:`make_openshapes` made or found.

    Attributes:
        paths (OpenShapesPaths): Where it is.
        num_images (dict[str, int]): Pictures a split.
        num_instances (dict[str, int]): Objects a split.
        checksum (str): SHA-256 over all pictures and annotations.
        created (bool): False if the dataset was there already.
    """

    paths: OpenShapesPaths
    num_images: dict[str, int]
    num_instances: dict[str, int]
    checksum: str
    created: bool


def make_openshapes(
    out_dir: str | Path,
    config: OpenShapesConfig | None = None,
    *,
    workers: int = 0,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
) -> OpenShapesSummary:
    """Generate a dataset, unless it is there already.

    Writes ``{train,val}/000001.jpg`` and so on, in COCO format
    ``annotations/{instances,captions}_{train,val}.json`` and, first unfinished and at
    the end complete, the manifest ``openshapes.json``. What was interrupted is made
    again by the next call.

    Pictures are JPEG: the encoder gives equal bytes for equal pixels, and a PNG of a
    photograph with noise takes three times the space.

    Args:
        out_dir (str | Path): Folder of the dataset, made if missing.
        config (OpenShapesConfig | None): Parameters; the defaults if None.
        workers (int): Processes; 0 or 1 works in this one. The bytes do not depend
            on it.
        overwrite (bool): Make the dataset in any case, and replace what the folder
            holds of another one.
        progress (Callable[[int, int], None] | None): Called after each picture with
            the number of finished ones and of all.

    Returns:
        OpenShapesSummary: Where it is and what it holds.

    Raises:
        FileExistsError: If the folder holds another configuration, or files that are
            not of OpenShapes, and ``overwrite`` is not set.
        FileNotFoundError: If scikit-image lacks its photographs.
        ValueError: If the manifest in the folder is not JSON.
    """
    config = config or OpenShapesConfig()
    paths = OpenShapesPaths(Path(out_dir))
    found = None if overwrite else find_complete(paths, config)
    if found is not None:
        return _summarize(paths, found, created=False)
    manifest = new_manifest(config)
    atomic_write_json(paths.manifest, manifest, indent=2)
    _remove_old_files(paths)
    manifest['splits'] = _generate(paths, config, workers, progress)
    manifest['complete'] = True
    atomic_write_json(paths.manifest, manifest, indent=2)
    return _summarize(paths, manifest, created=True)


def _remove_old_files(paths: OpenShapesPaths) -> None:
    """Remove what an earlier generation left, and nothing else."""
    for split in SPLITS:
        for path in paths.images(split).glob('[0-9]' * 6 + '.jpg'):
            path.unlink()
        for kind in KINDS:
            paths.annotations(kind, split).unlink(missing_ok=True)


def _generate(
    paths: OpenShapesPaths,
    config: OpenShapesConfig,
    workers: int,
    progress: ProgressCallback | None,
) -> dict[str, Any]:
    """Make all pictures and annotations; returns the manifest's ``splits``."""
    tasks = [
        (split, index) for split in SPLITS for index in range(config.num_images(split))
    ]
    for split in SPLITS:
        paths.images(split).mkdir(parents=True, exist_ok=True)
    records: dict[str, list[dict]] = {split: [] for split in SPLITS}
    make = functools.partial(_make_image, paths, config)
    for done, record in enumerate(map_in_processes(make, tasks, workers), start=1):
        records[record['split']].append(record)
        if progress is not None:
            progress(done, len(tasks))
    return {
        split: _write_annotations(paths, config, split, records[split])
        for split in SPLITS
    }


def _make_image(
    paths: OpenShapesPaths, config: OpenShapesConfig, task: tuple[str, int]
) -> dict[str, Any]:
    """Make one picture and write it; returns all that the JSON files say of it."""
    split, index = task
    scene = sample_scene(config, split, index)
    rendering = render_scene(scene, *config.height_width)
    annotations = annotate(scene, rendering)
    mentions = mentions_of(scene, annotations)
    captions = write_captions(mentions, image_rng(config, split, index, 'captions'))
    encoded = _encode_jpeg(rendering.image, config.jpeg_quality)
    file_name = f'{index + 1:06d}.jpg'
    # Not atomic one by one: pictures count only once the manifest is complete.
    (paths.images(split) / file_name).write_bytes(encoded)
    return {
        'split': split,
        'file_name': file_name,
        'sha256': sha256(encoded),
        'annotations': annotations,
        'captions': captions,
    }


def _encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    bgr = np.ascontiguousarray(image[..., ::-1])
    done, encoded = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f'OpenCV {cv2.__version__} cannot encode JPEG images')
    return encoded.tobytes()


def _write_annotations(
    paths: OpenShapesPaths,
    config: OpenShapesConfig,
    split: str,
    records: Sequence[dict],
) -> dict[str, Any]:
    """Write the JSON files of a split; returns its entry in the manifest."""
    files = coco_files(config, split, records)
    entry = {
        'num_images': len(records),
        'num_instances': len(files['instances']['annotations']),
        'images': sha256(''.join(record['sha256'] for record in records).encode()),
    }
    for kind, content in files.items():
        path = paths.annotations(kind, split)
        atomic_write_json(path, content)
        entry[kind] = sha256(path.read_bytes())
    return entry


def _summarize(
    paths: OpenShapesPaths, manifest: dict[str, Any], created: bool
) -> OpenShapesSummary:
    splits = manifest['splits']
    parts = [splits[split][part] for split in SPLITS for part in ('images', *KINDS)]
    return OpenShapesSummary(
        paths=paths,
        num_images={split: splits[split]['num_images'] for split in SPLITS},
        num_instances={split: splits[split]['num_instances'] for split in SPLITS},
        checksum=sha256(''.join(parts).encode()),
        created=created,
    )
