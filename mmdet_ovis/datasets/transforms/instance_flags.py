"""Per-instance marks (seen, pseudo, weight) on their way from dataset to model."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS

INSTANCE_FLAGS: dict[str, tuple[str, type, object]] = {
    'gt_is_seen': ('is_seen', np.bool_, True),
    'gt_is_pseudo': ('is_pseudo', np.bool_, False),
    'gt_pseudo_scores': ('pseudo_score', np.float32, 1.0),
    'gt_loss_weights': ('loss_weight', np.float32, 1.0),
}
"""Key in the pipeline -> (key of an instance, dtype, value if an instance lacks it)."""


@TRANSFORMS.register_module()
class LoadInstanceFlags(BaseTransform):
    """Load the marks that the datasets of this project put on instances.

    Stands right behind ``LoadAnnotations``. Transforms that drop or reorder instances
    (cropping, filtering) do not know these keys, so a pipeline has either those or
    this one; ``PackInstanceInputs`` refuses marks that no longer fit.

    Required Keys: ``instances``

    Added Keys: ``gt_is_seen`` (N,) bool, ``gt_is_pseudo`` (N,) bool,
    ``gt_pseudo_scores`` (N,) float32, ``gt_loss_weights`` (N,) float32
    """

    def transform(self, results: dict) -> dict:
        """Add the arrays, in the order of ``instances``."""
        instances = results.get('instances', [])
        for key, (name, dtype, default) in INSTANCE_FLAGS.items():
            results[key] = np.array(
                [instance.get(name, default) for instance in instances], dtype=dtype
            )
        return results


@TRANSFORMS.register_module()
class PackInstanceInputs(PackDetInputs):
    """``PackDetInputs`` that carries the marks into ``gt_instances``.

    They arrive as ``is_seen``, ``is_pseudo``, ``pseudo_scores`` and ``loss_weights``,
    tensors of shape (N,).

    Raises:
        ValueError: If a transform between ``LoadInstanceFlags`` and this one dropped
            instances.
    """

    mapping_table: ClassVar[dict[str, str]] = {
        **PackDetInputs.mapping_table,
        **{key: key.removeprefix('gt_') for key in INSTANCE_FLAGS},
    }

    def transform(self, results: dict) -> dict:
        """Pack the image, its instances and their marks."""
        number = len(results.get('gt_bboxes_labels', ()))
        for key in INSTANCE_FLAGS:
            if key in results and len(results[key]) != number:
                raise ValueError(
                    f'{results.get("img_path", "an image")}: {len(results[key])} marks '
                    f'({key}) for {number} instances; leave out the transform between '
                    'LoadInstanceFlags and PackInstanceInputs that drops instances'
                )
        return super().transform(results)
