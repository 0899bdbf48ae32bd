"""Binary cross entropy of masks that do not all count alike."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def weighted_mask_cross_entropy(
    pred: Tensor, target: Tensor, labels: Tensor, weights: Tensor
) -> Tensor:
    """Compute the weighted mean of the cross entropies of masks.

    With the mean cross entropy l_i of the pixels of mask i and its weight w_i it is
    ``sum(w_i l_i) / max(sum(w_i), 1)``: the mean where all weights are 1, and little
    where the masks weigh little together.

    Args:
        pred (Tensor): (N, C, h, w) logits, N > 0.
        target (Tensor): (N, h, w) float in [0, 1].
        labels (Tensor): (N,) int64, the channel of each mask.
        weights (Tensor): (N,) float in [0, 1].

    Returns:
        Tensor: Scalar, 0 with gradient 0 if all weights are 0.

    Examples:
        >>> pred, target = torch.zeros(2, 1, 4, 4), torch.ones(2, 4, 4)
        >>> labels = torch.zeros(2, dtype=torch.long)
        >>> loss = weighted_mask_cross_entropy(
        ...     pred, target, labels, torch.tensor([1.0, 0.5]))
        >>> round(float(loss), 4)  # ln 2
        0.6931
    """
    chosen = pred[torch.arange(len(pred), device=pred.device), labels]  # N x h x w
    share = weights * (len(weights) / weights.sum().clamp(min=1))
    return functional.binary_cross_entropy_with_logits(
        chosen.float(), target, weight=share[:, None, None]
    )
