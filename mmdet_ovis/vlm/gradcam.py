"""GradCAM on cross-attention: which patches made the matching score rise.

R. R. Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization, ICCV 2017; on the cross-attention of a vision-language
model: J. Li et al., Align before Fuse, NeurIPS 2021 (ALBEF).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def attention_gradient(logits: Tensor, attention: Tensor) -> Tensor:
    """Differentiate the matching logits of a batch by attention probabilities.

    The images of a batch do not see each other, so the gradient of the sum holds the
    gradient of each logit by its own attention, and one backward pass serves all. Only
    what lies between the two is walked.

    Args:
        logits (Tensor): (B,), raw.
        attention (Tensor): (B, heads, T, 1 + h * w), part of their graph.

    Returns:
        Tensor: As ``attention``.
    """
    return torch.autograd.grad(logits.sum(), attention)[0]


def gradcam(
    attention: Tensor, gradient: Tensor, text_mask: Tensor, grid: tuple[int, int]
) -> Tensor:
    """Weigh attention by its gradient where that is positive, and average the heads.

    ``cam[t] = mean over heads of attention[t] * max(gradient[t], 0)``, without the
    class token of the image.

    Args:
        attention (Tensor): (B, heads, T, 1 + h * w) probabilities of text tokens over
            the class token and the patches.
        gradient (Tensor): Of the same shape, of the matching logit.
        text_mask (Tensor): (B, T) bool, False where there is no token.
        grid (tuple[int, int]): h, w.

    Returns:
        Tensor: (B, T, h, w) float32, not negative; exactly 0 where there is no token.

    Raises:
        ValueError: If shapes do not fit.

    Examples:
        >>> attention = torch.tensor([0.1, 0.2, 0.3, 0.4]).expand(1, 2, 1, 4)
        >>> gradient = torch.tensor([[[[9, -1, 2, 0.5]], [[9, 4, -3, 1]]]])
        >>> mask = torch.ones(1, 1, dtype=torch.bool)
        >>> gradcam(attention, gradient, mask, (1, 3))[0, 0]
        tensor([[0.4000, 0.3000, 0.3000]])
    """
    height, width = grid
    if attention.shape != gradient.shape or attention.ndim != 4:
        raise ValueError(
            f'attention {tuple(attention.shape)} and gradient {tuple(gradient.shape)} '
            'both have to be (batch, heads, tokens, 1 + patches)'
        )
    batch, _, tokens, keys = attention.shape
    if keys != 1 + height * width or text_mask.shape != (batch, tokens):
        raise ValueError(
            f'attention {tuple(attention.shape)} does not fit a grid of {height} x '
            f'{width} patches and a text mask {tuple(text_mask.shape)}'
        )
    weight = gradient[..., 1:].float().clamp(min=0)
    cam = (attention[..., 1:].float() * weight).mean(dim=1)  # B x T x hw
    cam = cam.masked_fill(~text_mask.bool()[..., None], 0.0)
    return cam.reshape(batch, tokens, height, width)


def sum_tokens(maps: Tensor, tokens: Sequence[Sequence[int]]) -> Tensor:
    """Add up the maps of the tokens of each phrase.

    Args:
        maps (Tensor): (T, h, w), left as it is: phrases may share tokens.
        tokens (Sequence[Sequence[int]]): Indices for each of K phrases.

    Returns:
        Tensor: (K, h, w).

    Examples:
        >>> maps = torch.arange(3.0).view(3, 1, 1)
        >>> sum_tokens(maps, [[1], [1, 2]]).flatten().tolist()
        [1.0, 3.0]
    """
    if not len(tokens):
        return maps.new_zeros((0, *maps.shape[1:]))
    return torch.stack([maps[list(chosen)].sum(dim=0) for chosen in tokens])
