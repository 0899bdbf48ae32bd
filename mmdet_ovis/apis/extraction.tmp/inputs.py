"""What goes into extraction: images with their seen instances, and the network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset, pseudo_collate

from ..structures.instance_masks import seen_rles
from ..structures.pseudo_annotation import RLE
from ..utils.checkpoint import load_model_checkpoint
from .extraction_images import (
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
        path, size = info['img_path'], (info['height'], info['width'])
        # Before the pipeline, which may change what it is given.
        gt_rles = seen_rles(info['instances'], size) if self.use_gt_masks else []
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
        if ori_shape != size:
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


def model_cfg(cfg: Config) -> ConfigDict:
    """Return the config of the network alone: grouping is not its business here."""
    model = copy.deepcopy(cfg.model)
    if model.get('test_cfg'):
        model.test_cfg.pop('pa_to_masks', None)
    return model


class AffinityNetwork:
    """A trained network that predicts affinities.

    Args:
        cfg (Config): Config with ``model``.
        checkpoint (str | Path): Its weights.
        device (str): Where it runs.
        trust_checkpoint (bool): See
            :func:`mmdet_ovis.utils.checkpoint.load_checkpoint`.

    Raises:
        FileNotFoundError: If the checkpoint is missing.
        CheckpointError: If it is unsafe, damaged, or of another model.
    """

    def __init__(
        self, cfg: Config, checkpoint: str | Path, device: str, trust_checkpoint: bool
    ) -> None:
        self.model = MODELS.build(model_cfg(cfg))
        load_model_checkpoint(self.model, checkpoint, trust=trust_checkpoint)
        if device.startswith('cuda:'):
            torch.cuda.set_device(device)  # else all processes occupy the first one too
        self.model.to(device).eval()

    def predict(self, sample: Sample) -> np.ndarray:
        """Predict the affinity of an image.

        Args:
            sample (Sample): The image.

        Returns:
            np.ndarray: (C, h, w) float32 at the size of the network input.

        Raises:
            BrokenImageError: If the affinity is not finite.
            ValueError: If the model does not predict affinities.
        """
        # One algorithm for a shape, so that a resumed run gives the same bytes.
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(deterministic=True, benchmark=False),
        ):
            result = self.model.test_step(pseudo_collate([sample.data]))[0]
        if 'pred_affinity' not in result:
            raise ValueError(
                f'{type(self.model).__name__} predicts no affinity; extraction needs '
                'the config of a PairwiseAffinityPredictor'
            )
        affinity = result.pred_affinity.data.float().cpu().numpy()
        n_bad = affinity.size - int(np.isfinite(affinity).sum())
        if n_bad:
            raise BrokenImageError(
                f'{n_bad} of {affinity.size} predicted affinities are NaN or infinite; '
                'the checkpoint may come from a diverged training'
            )
        return affinity


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return 'cannot be decoded' if isinstance(error, cv2.error) else str(error)
