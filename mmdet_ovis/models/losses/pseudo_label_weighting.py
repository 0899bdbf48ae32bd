"""How much losses of pseudo labels count.

Source: Huynh et al., *Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling* (CVPR 2022).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...utils.settings import check_choice

WEIGHT_MODES = ('inv_sigma', 'constant')


class PseudoLabelWeighting:
    """Weighs the losses of pseudo labels.

    - ``'inv_sigma'``: classification and boxes weigh ``value / mean(sigma)``, at most
      ``max_weight``, where ``sigma`` are the levels of noise of the pseudo masks: what
      comes with noisy masks is trusted less. The loss of the masks has its noise inside
      and weighs 1.
    - ``'constant'``: all three weigh ``value``.

    Args:
        mode (str): One of the two. Defaults to ``'inv_sigma'``.
        value (float): See above, positive. Defaults to 0.01.
        max_weight (float, optional): Bound for ``'inv_sigma'``. Defaults to 1; None:
            no bound.
        boxes (bool): Whether boxes are learnt from pseudo labels. Defaults to True.
        masks (bool): Whether masks are. Defaults to True.

    Raises:
        ValueError: If an argument is out of its range.

    Examples:
        >>> one, sigma = torch.tensor(1.0), torch.full((2, 4, 4), 0.5)
        >>> weighting = PseudoLabelWeighting(max_weight=None)
        >>> {name: round(float(loss), 4) for name, loss in weighting(
        ...     dict(loss_cls=one, loss_bbox=one, loss_mask=one), sigma).items()}
        {'loss_cls': 0.02, 'loss_bbox': 0.02, 'loss_mask': 1.0}
    """

    def __init__(
        self,
        mode: str = 'inv_sigma',
        value: float = 0.01,
        max_weight: float | None = 1.0,
        boxes: bool = True,
        masks: bool = True,
    ) -> None:
        check_choice('mode', mode, WEIGHT_MODES)
        if max_weight is None:
            max_weight = math.inf
        if not 0 < value < math.inf or not max_weight > 0:
            raise ValueError(
                f'value and max_weight are positive, not {value} and {max_weight}'
            )
        self.mode = mode
        self.value = value
        self.max_weight = max_weight
        self.boxes = boxes
        self.masks = masks

    def weight(self, sigma: Tensor) -> Tensor:
        """Compute the weight of classification and boxes.

        Args:
            sigma (Tensor): Levels of noise, any shape, possibly none.

        Returns:
            Tensor: Scalar float32 without gradient, always finite.
        """
        value = torch.tensor(self.value, device=sigma.device)
        if self.mode == 'constant':
            return value
        mean = sigma.detach().float().mean() if sigma.numel() else value.new_ones(())
        tiny = torch.finfo(torch.float32).tiny
        return (value / mean.clamp(min=tiny)).clamp(max=self.max_weight)

    def __call__(self, losses: dict[str, Tensor], sigma: Tensor) -> dict[str, Tensor]:
        """Weigh losses.

        Args:
            losses (dict[str, Tensor]): Scalars ``loss_cls``, ``loss_bbox`` and
                ``loss_mask``; what else there is stays as it is.
            sigma (Tensor): Levels of noise, any shape.

        Returns:
            dict[str, Tensor]: The same keys. What is not learnt is 0, with gradient 0.
        """
        weight = self.weight(sigma)
        of_masks = weight if self.mode == 'constant' else torch.ones_like(weight)
        weights = dict(
            loss_cls=weight,
            loss_bbox=weight * self.boxes,
            loss_mask=of_masks * self.masks,
        )
        return {
            name: loss * weights[name] if name in weights else loss
            for name, loss in losses.items()
        }
