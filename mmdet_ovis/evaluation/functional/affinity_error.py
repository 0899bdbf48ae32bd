"""Error and calibration of affinities against soft targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 10
_EPS = 1e-7  # keeps the logarithm of float32 predictions finite
_COUNT_EPS = 1e-5  # as GGN's reference code divides by numbers of locations


@dataclass(frozen=True)
class AffinityErrors:
    """Sums over the valid locations of one image.

    Attributes:
        absolute (float): Sum of |prediction - target|.
        cross_entropy (float): Sum of the binary cross-entropy, in nats.
        bins (NDArray[np.float64]): Shape (3, 10): sum of predictions, sum of targets
            and number of locations, by prediction in [0, 0.1), ..., [0.9, 1].
        inner (NDArray[np.float64]): Shape (3,): both sums and the number of locations
            where the target is 1.
        outer (NDArray[np.float64]): Shape (3,): the same where it is 0.
    """

    absolute: float
    cross_entropy: float
    bins: NDArray[np.float64]
    inner: NDArray[np.float64]
    outer: NDArray[np.float64]


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
    absolute = np.abs(p - t)
    inner, outer = (
        np.array([absolute[where].sum(), entropy[where].sum(), where.sum()])
        for where in (t == 1, t == 0)
    )
    return AffinityErrors(
        float(absolute.sum()),
        float(entropy.sum()),
        np.array(bins, dtype=np.float64),
        inner,
        outer,
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


def inner_outer_scores(images: Sequence[AffinityErrors]) -> dict[str, float]:
    """Return the four numbers that GGN's reference code reports.

    Each is the mean over images of the mean over the locations of an image. Images
    without a valid location do not count; others without a location of the kind count
    as 0. With targets reduced by ``'mean'`` hardly any is 0, and then the outer numbers
    are means over next to nothing: see the shares.

    Returns:
        dict[str, float]: ``inner_pa_ce`` and ``inner_pa_l1``, cross-entropy (nats) and
        absolute error where the target is 1; ``outer_pa_ce`` and ``outer_pa_l1`` where
        it is 0; ``inner_pa_share`` and ``outer_pa_share``, how many of all valid
        locations these are, in [0, 1]. All -1.0 if no location is valid.

    Examples:
        >>> errors = affinity_errors(
        ...     np.array([0.5, 0.9]), np.array([1.0, 0.875]), np.array([True, True])
        ... )
        >>> scores = inner_outer_scores([errors])
        >>> [round(scores[f'inner_pa_{key}'], 3) for key in ('ce', 'l1', 'share')]
        [0.693, 0.5, 0.5]
        >>> scores['outer_pa_l1'], scores['outer_pa_share']
        (0.0, 0.0)
    """
    images = [image for image in images if image.bins[2].any()]
    count = _add_bins(images)[2].sum()
    scores = {}
    for name in ('inner', 'outer'):
        sums = np.array([getattr(image, name) for image in images]).reshape(-1, 3)
        l1, ce = -1.0, -1.0
        if count > 0:
            l1, ce = (sums[:, :2] / (sums[:, 2:] + _COUNT_EPS)).mean(axis=0)
        scores[f'{name}_pa_ce'] = float(ce)
        scores[f'{name}_pa_l1'] = float(l1)
        share = sums[:, 2].sum() / count if count > 0 else -1.0
        scores[f'{name}_pa_share'] = float(share)
    return scores


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
