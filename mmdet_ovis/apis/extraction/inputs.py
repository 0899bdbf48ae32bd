"""What goes into extraction: images with their seen instances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from mmengine.config import Config
from mmengine.dataset import BaseDataset

from ...structures.instance_masks import seen_rles
from ...structures.pseudo_annotation import RLE
from .images import (
    BrokenImageError,
    check_not_truncated,
    explain_orientation,
)

_LOADING_FAILED = 'failed to load image'
"""How mmcv's assertion begins when OpenCV cannot decode a file."""


@dataclass(frozen=True)
class Sample:
    """One image, ready for the network."""

    image_id: int
    ori_shape: tuple[int, int]  # height, width of the file
    data: dict[str, Any]  # output of the pipeline
    gt_rles: Sequence[RLE]  # seen instances at ori_shape, crowds excluded


class ImageReader:
    """Reads the images of a dataset one by one, never another one instead.

    The ``__getitem__`` of mmengine's datasets is not used: in training mode it
    replaces an image that cannot be loaded by a random other one.

    Args:
        dataset (BaseDataset): COCO-style dataset in ``test_dataloader``.
        use_gt_masks (bool): Read the seen instances too.
        limit (int, optional): Read the first images only.

    Raises:
        ValueError: If ``limit`` is not positive.
    """

    def __init__(
        self, dataset: BaseDataset, use_gt_masks: bool, limit: int | None = None
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f'limit is a number of images, not {limit}')
        self.dataset = dataset
        self.use_gt_masks = use_gt_masks
        number = len(dataset) if limit is None else min(limit, len(dataset))
        self.image_ids: list[int] = [
            int(dataset.get_data_info(i)['img_id']) for i in range(number)
        ]

    def read(self, position: int) -> Sample:
        """Read one image.

        Args:
            position (int): Place in the dataset.

        Returns:
            Sample: The image and its seen instances.

        Raises:
            BrokenImageError: If the file is missing, cannot be decoded, breaks off,
                or is not of the size that the annotation file gives.
        """
        info = self.dataset.get_data_info(position)
        path, instances = info['img_path'], info['instances']
        # Files of captions may not tell the sizes of their images.
        size = (info['height'], info['width']) if 'height' in info else None
        # Before the pipeline, which may change what it is given.
        gt_rles = seen_rles(instances, size) if self.use_gt_masks and instances else []
        try:
            check_not_truncated(path)
            data = self.dataset.pipeline(info)
        except (OSError, cv2.error) as error:
            raise BrokenImageError(f'{path}: {_reason(error)}') from error
        except AssertionError as error:
            if _LOADING_FAILED not in str(error):
                raise
            raise BrokenImageError(f'{path}: cannot be decoded') from error
        if data is None:
            raise BrokenImageError(f'{path}: cannot be loaded')
        ori_shape = tuple(data['data_samples'].metainfo['ori_shape'][:2])
        if size is not None and ori_shape != size:
            raise BrokenImageError(
                f'{path}: the file is {ori_shape[0]}x{ori_shape[1]}, the annotation '
                f'file says {size[0]}x{size[1]} (height x width)'
                f'{explain_orientation(path, ori_shape, size)}'
            )
        return Sample(self.image_ids[position], ori_shape, data, gt_rles)


def annotation_file(cfg: Config) -> Path:
    """Return the path of the annotation file as the dataset joins it."""
    dataset = cfg.test_dataloader.dataset
    return Path(dataset.get('data_root') or '', dataset.ann_file)


def step_names(pipeline: Any) -> Iterator[str]:
    """Name the steps of a pipeline in their order, those within steps included.

    Args:
        pipeline (Any): Config of a transform, or a list of such.

    Yields:
        str: Types.

    Examples:
        >>> flip = dict(type='RandomApply', transforms=[dict(type='RandomFlip')])
        >>> list(step_names([dict(type='LoadImageFromFile'), flip]))
        ['LoadImageFromFile', 'RandomApply', 'RandomFlip']
    """
    if isinstance(pipeline, Mapping):
        kind = pipeline.get('type', '')
        yield getattr(kind, '__name__', kind)
        pipeline = pipeline.get('transforms', ())
    if isinstance(pipeline, list | tuple):
        for step in pipeline:
            yield from step_names(step)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return 'cannot be decoded' if isinstance(error, cv2.error) else str(error)
