"""Pictures of what grouping finds in single photographs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...utils.image import read_image, write_image
from ...utils.io import atomic_write_json
from ...visualization.drawing import (
    draw_affinity,
    draw_masks,
    draw_partition,
    make_panel,
)
from ..running import load_config
from .affinity_inferencer import AffinityInferencer, AffinityPrediction, find_config
from .media import list_media, output_stems


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
        paths (Sequence[str | PathLike]): Images, folders and patterns.
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
    images = list_media(paths, videos=False)
    cfg = load_config(config or find_config(checkpoint), cfg_options)
    inferencer = AffinityInferencer(checkpoint, cfg, device, trust_checkpoint)
    for path, stem in zip(images, output_stems(images, out_dir), strict=True):
        image = read_image(path)
        prediction = inferencer(image)
        out = stem.with_name(f'{stem.name}.png')
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
        atomic_write_json(stem.with_name(f'{stem.name}.json'), masks)
        yield out
