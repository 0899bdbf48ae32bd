"""Losses of masks whose pixels may be wrong, with a learnt level of noise a pixel.

Source: Huynh et al., *Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling* (CVPR 2022), the robust mask loss; ``log_mean_prob`` is the attenuated
classification loss of A. Kendall, Y. Gal, *What Uncertainties Do We Need in Bayesian
Deep Learning for Computer Vision?* (NeurIPS 2017), section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ...utils.settings import check_choice

NOISE_MODES = ('mean_bce', 'log_mean_prob')


def noise_scale(
    log_variance: Tensor, sigma_range: tuple[float, float] | None = None
) -> Tensor:
    """Turn log-variances into standard deviations, in float32.

    Args:
        log_variance (Tensor): Any shape.
        sigma_range (tuple[float, float], optional): Least and greatest standard
            deviation. Defaults to None: no bounds.

    Returns:
        Tensor: float32, of the same shape.

    Examples:
        >>> round(float(noise_scale(torch.tensor(1.0))), 6)
        1.648721
        >>> float(noise_scale(torch.tensor(9.0), (0.001, 5.0)))
        5.0
    """
    sigma = (log_variance.float() / 2).exp()
    return sigma if sigma_range is None else sigma.clamp(*sigma_range)


def noisy_mask_loss(
    logits: Tensor,
    sigma: Tensor,
    targets: Tensor,
    mode: str = 'log_mean_prob',
    num_samples: int = 8,
    noise: Tensor | None = None,
) -> Tensor:
    """Compute the loss of mask logits that are perturbed by Gaussian noise.

    With ``e_t`` drawn from the standard normal distribution for every pixel and sample,
    and ``p_t`` the probability of the target under ``logits + sigma * e_t``:

    - ``'mean_bce'``: the mean of ``-log p_t``. It grows with ``sigma`` at every pixel,
      whether the target is right or wrong, so noise is only ever unlearnt, fastest
      where the network is undecided.
    - ``'log_mean_prob'``: ``-log`` of the mean of ``p_t``. It falls with ``sigma``
      where the target contradicts a confident network, so there noise is learnt.

    Args:
        logits (Tensor): (N, h, w).
        sigma (Tensor): (N, h, w) float, above 0.
        targets (Tensor): (N, h, w), 0 or 1.
        mode (str): See above. Defaults to ``'log_mean_prob'``.
        num_samples (int): Samples T. Defaults to 8.
        noise (Tensor, optional): (T, N, h, w) the samples. Defaults to None: drawn.

    Returns:
        Tensor: Scalar float32, the mean over the pixels; 0 with gradient 0 for N = 0.

    Raises:
        ValueError: If the mode is unknown or there is no sample.

    Examples:
        >>> logits, ones = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
        >>> noise = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
        >>> for mode in ('mean_bce', 'log_mean_prob'):
        ...     loss = noisy_mask_loss(logits, ones, ones, mode, noise=noise)
        ...     print(round(float(loss), 4))
        0.8133
        0.6931
    """
    check_noise(mode, num_samples)
    if not len(logits):
        return logits.float().sum() + sigma.float().sum()
    with torch.autocast(logits.device.type, enabled=False):
        logits, sigma = logits.float(), sigma.float()
        if noise is None:
            noise = torch.randn(num_samples, *logits.shape, device=logits.device)
        signs = targets.float() * 2 - 1
        log_probs = functional.logsigmoid(signs * (logits + sigma * noise))
        if mode == 'mean_bce':
            return -log_probs.mean()
        return (math.log(len(noise)) - log_probs.logsumexp(0)).mean()


def check_sigma_range(sigma_range: Sequence[float] | None) -> None:
    """Refuse bounds that :func:`noise_scale` cannot keep.

    Raises:
        ValueError: If they are not two numbers, the first at least 0 and below the
            second.
    """
    bounds = (0, math.inf) if sigma_range is None else tuple(sigma_range)
    if len(bounds) != 2 or not 0 <= bounds[0] < bounds[1]:
        raise ValueError(
            f'sigma_range is (low, high) with 0 <= low < high, not {bounds}'
        )


def check_noise(mode: str, num_samples: int) -> None:
    """Refuse settings that :func:`noisy_mask_loss` does not know.

    Raises:
        ValueError: If the mode is unknown or there is no sample.
    """
    check_choice('mode', mode, NOISE_MODES)
    if num_samples < 1:
        raise ValueError(f'num_samples is a positive number, not {num_samples}')
