"""Mask head that learns how far masks can be trusted.

Source: Huynh et al., *Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling* (CVPR 2022).
"""

from __future__ import annotations

from typing import NamedTuple

from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.registry import MODELS
from torch import Tensor, nn

from ...losses.noisy_mask_loss import (
    check_noise,
    check_sigma_range,
    noise_scale,
    noisy_mask_loss,
)


class NoisyMasks(NamedTuple):
    """What the head says about regions.

    Attributes:
        logits (Tensor): (N, h, w), without noise.
        sigma (Tensor): (N, h, w) float32, the standard deviation of the noise.
    """

    logits: Tensor
    sigma: Tensor


@MODELS.register_module()
class NoisyFCNMaskHead(FCNMaskHead):
    """``FCNMaskHead`` with a level of noise for every pixel.

    A 1x1 convolution on what ``conv_logits`` sees predicts a log-variance ``s``, and
    ``sigma = exp(s / 2)`` is the standard deviation of noise on the logits. Only
    :meth:`noisy_loss`, for masks that may be wrong, makes use of it: ``forward``, the
    loss of annotated masks and predictions are those of ``FCNMaskHead``. The noise
    trains its own convolution and nothing below it.

    Args:
        mode (str): See :func:`~mmdet_ovis.models.losses.noisy_mask_loss`, as the next.
            Defaults to ``'log_mean_prob'``.
        num_samples (int): Defaults to 8.
        sigma_range (tuple[float, float], optional): Bounds of ``sigma``, the lower one
            at least 0. Defaults to (0.001, 5); None: no bounds.
        **kwargs: Arguments of ``FCNMaskHead``; ``class_agnostic`` is True.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        *args,
        mode: str = 'log_mean_prob',
        num_samples: int = 8,
        sigma_range: tuple[float, float] | None = (1e-3, 5.0),
        class_agnostic: bool = True,
        **kwargs,
    ) -> None:
        check_noise(mode, num_samples)
        check_sigma_range(sigma_range)
        if not class_agnostic:
            raise ValueError(
                'NoisyFCNMaskHead draws masks of every vocabulary in the same way: '
                'class_agnostic=True'
            )
        super().__init__(*args, class_agnostic=True, **kwargs)
        self.mode = mode
        self.num_samples = num_samples
        self.sigma_range = sigma_range
        self.noise_frozen = False
        """Whether the noise is learnt no more (``NoiseFreezeHook`` says so)."""
        self.conv_noise = nn.Conv2d(self.conv_logits.in_channels, 1, 1)

    def init_weights(self) -> None:
        """Initialise; the noise starts at sigma = sqrt(e) everywhere."""
        super().init_weights()
        nn.init.normal_(self.conv_noise.weight, std=0.001)
        nn.init.ones_(self.conv_noise.bias)

    def forward_noisy(self, x: Tensor) -> NoisyMasks:
        """Compute logits and noise.

        Args:
            x (Tensor): (N, C, h', w') features of N regions.

        Returns:
            NoisyMasks: Of the N regions.
        """
        seen = []
        handle = self.conv_logits.register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0])
        )
        try:
            logits = self.forward(x)
        finally:
            handle.remove()
        log_variance = self.conv_noise(seen[0].detach())
        if self.noise_frozen:
            # Still part of the graph, because processes that train together wait for
            # the gradients of all parameters.
            log_variance = log_variance.detach() + 0 * log_variance
        sigma = noise_scale(log_variance[:, 0], self.sigma_range)
        return NoisyMasks(logits[:, 0], sigma)

    def noisy_loss(
        self, x: Tensor, targets: Tensor, noise: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Compute the loss of masks that may be wrong.

        Args:
            x (Tensor): (N, C, h', w') features of N regions.
            targets (Tensor): (N, h, w), 0 or 1.
            noise (Tensor, optional): (T, N, h, w) samples of the standard normal
                distribution. Defaults to None: drawn.

        Returns:
            tuple[dict[str, Tensor], Tensor]: ``loss_mask``, and sigma (N, h, w).
        """
        masks = self.forward_noisy(x)
        loss = noisy_mask_loss(
            masks.logits, masks.sigma, targets, self.mode, self.num_samples, noise
        )
        return dict(loss_mask=loss), masks.sigma
