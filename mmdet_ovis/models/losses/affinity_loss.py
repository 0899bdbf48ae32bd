"""Losses for soft pairwise-affinity targets.

Source: GGN (Wang et al., CVPR 2022), section 3.1 and its published configuration.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

_EPS = 1e-5  # keeps the loss of an image without foreground at 0


def affinity_loss(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: float = 0.05,
    gamma: float = 0.0,
) -> Tensor:
    r"""Binary cross-entropy of one image with soft targets.

    Per position, with :math:`s = \sigma(x)`:

    .. math:: l = -|t - s|^\gamma [w_{pos}\, t \log s + (1 - t) \log (1 - s)]

    and the result is :math:`\sum l v / (\sum v + 10^{-5})` with the weights :math:`v`.
    It is computed in float32, also under autocast.

    Args:
        logits (Tensor): Affinity logits, (C, H, W).
        target (Tensor): Affinities in [0, 1], (C, H, W).
        weight (Tensor, optional): Weights of the positions, at least 0 (or bool),
            (C, H, W). None takes the mean over all positions.
        pos_weight (float): Factor of the positive term, above 0.
        gamma (float): Focusing exponent; 0 is the plain cross-entropy.

    Returns:
        Tensor: Scalar, float32. 0, with zero gradients, if no position has weight.

    Examples:
        >>> logits, target = torch.zeros(1, 2, 2), torch.ones(1, 2, 2)
        >>> round(affinity_loss(logits, target).item(), 6)  # 0.05 ln 2
        0.034657
    """
    with torch.autocast(device_type=logits.device.type, enabled=False):
        logits, target = logits.float(), target.float()
        loss = functional.binary_cross_entropy_with_logits(
            logits, target, pos_weight=logits.new_tensor(pos_weight), reduction='none'
        )
        if gamma > 0:
            loss = loss * (target - logits.sigmoid()).abs().pow(gamma)
        if weight is None:
            return loss.mean()
        weight = weight.float()
        return (loss * weight).sum() / (weight.sum() + _EPS)


@MODELS.register_module()
class AffinityLoss(nn.Module):
    """Cross-entropy for affinities that down-weights the abundant positives.

    The positive term carries ``pos_weight``, which moves the optimum for a soft target
    t to ``s* = p t / (p t + 1 - t)`` with p = ``pos_weight``: at 0.05, t = 1 asks for
    1 but t = 7/8 only for 0.26 and t = 1/2 for 0.05. The network learns a sharp score
    of the object's interior instead of a probability of affinity.

    Args:
        pos_weight (float): Factor of the positive term, above 0. Defaults to 0.05.
        filter_bg (bool): Count only supervised positions (those with at least one
            foreground pixel), else all positions alike. Defaults to True.
        loss_weight (float): Factor of the loss. Defaults to 1.0.

    Raises:
        ValueError: If ``pos_weight`` is not above 0.
    """

    gamma: float = 0.0

    def __init__(
        self,
        pos_weight: float = 0.05,
        filter_bg: bool = True,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not pos_weight > 0:
            raise ValueError(f'pos_weight must be above 0, got {pos_weight}')
        self.pos_weight = pos_weight
        self.filter_bg = filter_bg
        self.loss_weight = loss_weight

    def forward(
        self,
        logits: Sequence[Tensor],
        targets: Sequence[Tensor],
        weights: Sequence[Tensor],
    ) -> Tensor:
        """Average the losses of the images of a batch.

        Args:
            logits (Sequence[Tensor]): One (C, H, W) an image; sizes may differ.
            targets (Sequence[Tensor]): Affinities in [0, 1], shapes as ``logits``.
            weights (Sequence[Tensor]): Weights of the positions, shapes as ``logits``;
                used only with ``filter_bg``.

        Returns:
            Tensor: Scalar, float32.
        """
        losses = [
            affinity_loss(
                image_logits,
                target,
                weight if self.filter_bg else None,
                self.pos_weight,
                self.gamma,
            )
            for image_logits, target, weight in zip(
                logits, targets, weights, strict=True
            )
        ]
        return self.loss_weight * torch.stack(losses).mean()


@MODELS.register_module()
class SoftFocalAffinityLoss(AffinityLoss):
    """Focal loss that keeps soft affinity targets soft.

    The modulating factor is the distance between score and target, as in the quality
    focal loss (Li et al., "Generalized Focal Loss", NeurIPS 2020, section 3.1); the
    usual focal loss would round every target below 1 down to 0.

    Args:
        gamma (float): Focusing exponent, 0 (plain :class:`AffinityLoss`) or at least 1
            (below 1 the gradient has a pole where score and target meet). Defaults to
            2.0.
        pos_weight (float): Factor of the positive term. Defaults to 0.05.
        filter_bg (bool): Count only supervised positions. Defaults to True.
        loss_weight (float): Factor of the loss. Defaults to 1.0.

    Raises:
        ValueError: If ``gamma`` or ``pos_weight`` is out of range.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        pos_weight: float = 0.05,
        filter_bg: bool = True,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(pos_weight, filter_bg, loss_weight)
        if gamma != 0 and not gamma >= 1:
            raise ValueError(f'gamma must be 0 or at least 1, got {gamma}')
        self.gamma = gamma
