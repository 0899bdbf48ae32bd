"""Error and calibration of affinities against soft targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 10
_EPS = 1e-7  # keeps the logarithm of float32 predictions finite


@dataclass(frozen=True)
class AffinityErrors:
    """Sums over the valid locations of one image.

    Attributes:
        absolute (float): Sum of |prediction - target|.
        cross_entropy (float): Sum of the binary cross-entropy, in nats.
        bins (NDArray[np.float64]): Shape (3, 10): sum of predictions, sum of targets
            and number of locations, by prediction in [0, 0.1), ..., [0.9, 1].
    """

    absolute: float
    cross_entropy: float
    bins: NDArray[np.float64]


def affinity_errors(
    prediction: NDArray[np.floating],
    target: NDArray[np.floating],
    valid: NDArray[np.bool_],
) -> AffinityErrors:
    """Compare one prediction with its target where it is valid.

    Args:
        prediction (NDArray[np.floating]): Shape (C, H, W), in [0, 1].
        target (NDArray[np.floating]): Shape (C, H, W), in [0, 1].
        valid (NDArray[np.bool_]): Shape (C, H, W).

    Returns:
        AffinityErrors: The sums to hand to `affinity_scores`.

    Raises:
        ValueError: If the shapes differ.
    """
    if not prediction.shape == target.shape == valid.shape:
        raise ValueError(
            f'affinity prediction, target and valid map differ in shape: '
            f'{prediction.shape}, {target.shape}, {valid.shape}'
        )
    p = prediction[valid].astype(np.float64)
    t = target[valid].astype(np.float64)
    safe = p.clip(_EPS, 1 - _EPS)
    entropy = -(t * np.log(safe) + (1 - t) * np.log(1 - safe))
    index = np.minimum((p * NUM_BINS).astype(int), NUM_BINS - 1)
    bins = [np.bincount(index, weights, minlength=NUM_BINS) for weights in (p, t, None)]
    return AffinityErrors(
        float(np.abs(p - t).sum()),
        float(entropy.sum()),
        np.array(bins, dtype=np.float64),
    )


def affinity_scores(images: Sequence[AffinityErrors]) -> dict[str, float]:
    """Average over all valid locations of a dataset.

    Returns:
        dict[str, float]: ``MAE``, ``BCE`` (nats) and ``ECE``, the expected calibration
        error: the gap between mean prediction and mean target of a bin, averaged over
        locations. All -1.0 if no location is valid.
    """
    bins = _add_bins(images)
    count = bins[2].sum()
    if count == 0:
        return {'MAE': -1.0, 'BCE': -1.0, 'ECE': -1.0}
    return {
        'MAE': sum(image.absolute for image in images) / count,
        'BCE': sum(image.cross_entropy for image in images) / count,
        'ECE': float(np.abs(bins[0] - bins[1]).sum() / count),
    }


def calibration_histogram(images: Sequence[AffinityErrors]) -> NDArray[np.float64]:
    """Return the calibration of a dataset.

    Returns:
        NDArray[np.float64]: Shape (10, 3), for each bin of predictions the mean
        prediction and the mean target (NaN if empty) and the number of locations.
    """
    predicted, target, count = _add_bins(images)
    some = np.where(count > 0, count, np.nan)
    return np.stack([predicted / some, target / some, count], axis=1)


def _add_bins(images: Sequence[AffinityErrors]) -> NDArray[np.float64]:
    return np.sum([np.zeros((3, NUM_BINS)), *(image.bins for image in images)], axis=0)
