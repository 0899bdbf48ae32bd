"""Loss of proposals of which only the words of their image are known.

Source: WSDDN, "Weakly Supervised Deep Detection Networks" (H. Bilen, A. Vedaldi, CVPR
2016), section 3, in log space.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_EPS = 1e-6  # bounds the loss of an absent class that the network is sure of


def proposal_log_scores(class_logits: Tensor, proposal_logits: Tensor) -> Tensor:
    """Combine the two streams of WSDDN for the proposals of one image.

    A proposal scores for a class by how much it is of that class rather than of
    another, times how much it, rather than another proposal, stands for that class.
    Everything is computed in float32, also under autocast.

    Args:
        class_logits (Tensor): (n, C), compared over the classes.
        proposal_logits (Tensor): (n, C), compared over the proposals.

    Returns:
        Tensor: (n, C) float32 logarithms; their exponentials sum up to at most 1 over
        the proposals of a class, and over the classes of a proposal.

    Examples:
        >>> scores = proposal_log_scores(torch.zeros(2, 3), torch.zeros(2, 3)).exp()
        >>> (6 * scores).round(decimals=4).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    with torch.autocast(device_type=class_logits.device.type, enabled=False):
        classes = functional.log_softmax(class_logits.float(), dim=1)
        return classes + functional.log_softmax(proposal_logits.float(), dim=0)


def multiple_instance_loss(
    log_scores: Tensor, present: Tensor, bg_weight: float = 1.0
) -> Tensor:
    r"""Classify an image by the sum of the scores of its proposals.

    With :math:`L_c = \log \sum_r \exp s_{rc}`, the logarithm of the probability that
    the image shows class c, the mean over the classes of

    .. math:: - y_c L_c - w_{bg} (1 - y_c) \log (1 - \exp L_c + 10^{-6})

    Args:
        log_scores (Tensor): (n, C) of :func:`proposal_log_scores`, n >= 1.
        present (Tensor): (C,) bool, what the image shows.
        bg_weight (float): Factor of the classes that it does not show.

    Returns:
        Tensor: Scalar, float32.

    Examples:
        >>> log_scores = torch.tensor([[0.25, 0.25], [0.25, 0.25]]).log()
        >>> loss = multiple_instance_loss(log_scores, torch.tensor([True, False]))
        >>> round(loss.item(), 4)  # ln 2
        0.6931
    """
    with torch.autocast(device_type=log_scores.device.type, enabled=False):
        image = torch.logsumexp(log_scores.float(), dim=0)  # C
        # At most 0 but for rounding, which must neither give NaN nor end the gradient.
        image = image - image.detach().clamp(min=0)
        absent = -(_EPS - torch.expm1(image)).log()
        return torch.where(present, -image, bg_weight * absent).mean()
