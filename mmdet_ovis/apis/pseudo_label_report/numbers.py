"""What a file of pseudo labels amounts to in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...structures.pseudo_annotation import PseudoAnnotation
from .quality import ImageQuality

_PERCENTILES = {'min': 0, 'p5': 5, 'median': 50, 'p95': 95, 'max': 100}


@dataclass(frozen=True)
class MaskTable:
    """All masks of a file, column by column.

    Args:
        n_images (int): Images, those without masks too.
        per_image (NDArray[np.int64]): Shape (m,), masks of each image that has some.
        scores (NDArray[np.float64]): Shape (n,).
        area_shares (NDArray[np.float64]): Shape (n,), area over that of the image.
        gt_ious (NDArray[np.float64]): Shape (n,), NaN where it is unknown.
        best_ious (NDArray[np.float64]): Shape (n,), with any object; NaN without
            ground truth.
        sources (NDArray[np.str_]): Shape (n,).
    """

    n_images: int
    per_image: NDArray[np.int64]
    scores: NDArray[np.float64]
    area_shares: NDArray[np.float64]
    gt_ious: NDArray[np.float64]
    best_ious: NDArray[np.float64]
    sources: NDArray[np.str_]

    @classmethod
    def of(
        cls,
        by_image: Mapping[int, Sequence[PseudoAnnotation]],
        n_images: int,
        qualities: Mapping[int, ImageQuality],
    ) -> MaskTable:
        """Collect the columns; ``qualities`` is empty without ground truth."""
        anns = [ann for image in by_image.values() for ann in image]
        best_ious = np.full(len(anns), np.nan)
        if qualities:
            best_ious = np.concatenate([qualities[i].mask_ious for i in by_image])
        gt_ious = [np.nan if ann['gt_iou'] is None else ann['gt_iou'] for ann in anns]
        return cls(
            n_images=n_images,
            per_image=np.array([len(image) for image in by_image.values()]),
            scores=np.array([ann['score'] for ann in anns], dtype=np.float64),
            area_shares=np.array(
                [ann['area'] / np.prod(ann['segmentation']['size']) for ann in anns]
            ),
            gt_ious=np.array(gt_ious, dtype=np.float64),
            best_ious=best_ious,
            sources=np.array([ann['source'] for ann in anns]),
        )

    @property
    def n_empty(self) -> int:
        """Images without a mask."""
        return self.n_images - len(self.per_image)

    @property
    def per_image_of_all(self) -> NDArray[np.int64]:
        """Masks of each image, those without included."""
        return np.concatenate([self.per_image, np.zeros(self.n_empty, np.int64)])

    def counts(self) -> dict[str, Any]:
        """Return images, masks and sources."""
        n_masks = len(self.scores)
        return {
            'images': self.n_images,
            'images_without_masks': self.n_empty,
            'masks': n_masks,
            'masks_per_image': n_masks / self.n_images,
            'masks_without_gt_iou': int(np.isnan(self.gt_ious).sum()),
            'sources': dict(Counter(self.sources.tolist()).most_common()),
        }

    def distributions(self) -> dict[str, dict[str, float]]:
        """Return mean and percentiles of each column that has values."""
        columns = {
            'score': self.scores,
            'area_share': self.area_shares,
            'masks_per_image': self.per_image_of_all.astype(np.float64),
            'gt_iou': self.gt_ious,
            'best_iou': self.best_ious,
        }
        return {
            name: describe(values)
            for name, values in columns.items()
            if not np.isnan(values).all()
        }


def describe(values: NDArray[np.float64]) -> dict[str, float]:
    """Return mean and percentiles of values, without those that are NaN.

    Examples:
        >>> describe(np.array([1.0, 2.0, 6.0, np.nan]))['mean']
        3.0
    """
    values = values[~np.isnan(values)]
    percentiles = np.percentile(values, list(_PERCENTILES.values()))
    return {
        'mean': float(values.mean()),
        **dict(zip(_PERCENTILES, percentiles.tolist(), strict=True)),
    }
