"""Pictures of what grouping finds in single photographs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.image import read_image, write_image
from ..utils.io import atomic_write_json
from ..visualization.drawing import (
    draw_affinity,
    draw_masks,
    draw_partition,
    make_panel,
)
from .affinity_inferencer import AffinityInferencer, AffinityPrediction, find_config
from .running import load_config

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


def list_images(paths: Sequence[str | os.PathLike]) -> list[Path]:
    """Expand folders into the images they hold, sorted by name.

    Raises:
        FileNotFoundError: If a path does not exist.
        ValueError: If no image is found.
    """
    images: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            images += sorted(
                p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES
            )
        elif path.is_file():
            images.append(path)
        else:
            raise FileNotFoundError(f'no such image or folder: {path}')
    if not images:
        raise ValueError(f'no image in {", ".join(map(str, paths))}')
    return images


def draw_prediction(
    image: np.ndarray, prediction: AffinityPrediction, topk: int
) -> np.ndarray:
    """Draw image, affinity, finest partition and the best masks side by side."""
    grouping = prediction.grouping
    return make_panel(
        [
            image,
            draw_affinity(prediction.affinity),
            draw_partition(image, grouping.labels),
            draw_masks(image, grouping.masks(topk)),
        ],
        ['image', 'affinity', 'partition', f'top {topk} masks'],
    )


def group_images(
    paths: Sequence[str | os.PathLike],
    checkpoint: str | os.PathLike,
    config: str | os.PathLike | None = None,
    out_dir: str | os.PathLike = 'work_dirs/image_demo',
    topk: int = 10,
    device: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    trust_checkpoint: bool = False,
) -> Iterator[Path]:
    """Group images, draw them, and write their masks as COCO RLE.

    Args:
        paths (Sequence[str | PathLike]): Images, or folders of images.
        checkpoint (str | PathLike): Weights of a ``PairwiseAffinityPredictor``.
        config (str | PathLike, optional): Its config. Defaults to the one beside it.
        out_dir (str | PathLike): ``<image name>.png`` and ``<image name>.json`` go
            here.
        topk (int): How many masks are drawn and written.
        device (str, optional): Defaults to the best one available.
        cfg_options (Mapping, optional): Overrides of the config.
        trust_checkpoint (bool): Load the checkpoint even if it holds pickled code.

    Yields:
        Path: Each picture, when it is written.
    """
    images = list_images(paths)
    cfg = load_config(config or find_config(checkpoint), cfg_options)
    inferencer = AffinityInferencer(checkpoint, cfg, device, trust_checkpoint)
    for path in images:
        image = read_image(path)
        prediction = inferencer(image)
        out = Path(out_dir, path.stem).with_suffix('.png')
        write_image(out, draw_prediction(image, prediction, topk))
        grouping = prediction.grouping
        masks = [
            dict(
                segmentation=rle, score=float(score), bbox=box.tolist(), area=int(area)
            )
            for rle, score, box, area in zip(
                grouping.rles(topk),
                grouping.scores[:topk],
                grouping.boxes[:topk],
                grouping.areas[:topk],
                strict=True,
            )
        ]
        atomic_write_json(out.with_suffix('.json'), masks)
        yield out
