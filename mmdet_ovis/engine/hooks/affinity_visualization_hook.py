"""Pictures of predicted affinities and masks while a network is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...utils.conversion import to_numpy
from ...visualization.affinity_panel import draw_affinity_panel


@HOOKS.register_module()
class AffinityVisualizationHook(Hook):
    """Draws image, affinity, target and masks of a few images in each validation.

    The pictures go to all backends of the runner's visualizer as
    ``affinity_<image id>``, the step being the number of training iterations: files in
    ``vis_data/vis_image`` with ``LocalVisBackend``, sliders with
    ``TensorboardVisBackend``. Targets are drawn if the pipeline loads masks, masks if
    the model groups (``model.test_cfg.pa_to_masks``). Only the main process draws; the
    images are the first that it validates, always the same ones. For detectors, mmdet's
    ``DetVisualizationHook`` does this.

    Args:
        interval (int): Draw in every so many-th validation, beginning with the first.
            Defaults to 1.
        num_images (int): Images that are drawn. Defaults to 8.
        topk (int): Masks that are drawn an image. Defaults to 10.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(self, interval: int = 1, num_images: int = 8, topk: int = 10) -> None:
        numbers = dict(interval=interval, num_images=num_images, topk=topk)
        for name, number in numbers.items():
            if number < 1:
                raise ValueError(f'{name} is a positive number, not {number}')
        self.interval = interval
        self.num_images = num_images
        self.topk = topk
        self._validations = 0
        self._missing = 0

    def before_val_epoch(self, runner: Runner) -> None:
        """See whether this validation is to be drawn."""
        is_due = self._validations % self.interval == 0
        self._missing = self.num_images if is_due and is_main_process() else 0
        self._validations += 1

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict[str, Any],
        outputs: Sequence[DetDataSample],
    ) -> None:
        """Draw the first images.

        Args:
            runner (Runner): With the visualizer.
            batch_idx (int): Number of the batch.
            data_batch (dict): ``inputs``: images (3, H, W) uint8, BGR.
            outputs (Sequence[DetDataSample]): With ``pred_affinity``.

        Raises:
            ValueError: If the model does not predict affinities.
        """
        for image, sample in zip(data_batch['inputs'], outputs, strict=True):
            if not self._missing:
                return
            self._missing -= 1
            name = f'affinity_{sample.metainfo["img_id"]}'
            runner.visualizer.add_image(name, self._draw(image, sample), runner.iter)

    def _draw(self, image: torch.Tensor, sample: DetDataSample) -> np.ndarray:
        if 'pred_affinity' not in sample:
            raise ValueError(
                'AffinityVisualizationHook draws the affinities of a '
                'PairwiseAffinityPredictor, and this model predicts none; use '
                'DetVisualizationHook for detectors'
            )
        rgb = np.ascontiguousarray(image.cpu().numpy()[::-1].transpose(1, 2, 0))
        panel = {'affinity': to_numpy(sample.pred_affinity.data)}
        if 'gt_affinity' in sample:
            panel['target'] = to_numpy(sample.gt_affinity.target)
            panel['valid'] = to_numpy(sample.gt_affinity.valid) > 0
        if 'grouping' in sample:
            panel['masks'] = sample.grouping.masks(self.topk)
        return draw_affinity_panel(rgb, **panel)
