"""Losses that ground the words of captions in regions of images.

Source: OVR-CNN, "Open-Vocabulary Object Detection Using Captions" (A. Zareian et al.,
CVPR 2021), section 3.2; XPM/CMPL (D. Huynh et al., CVPR 2022) starts from its weights.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 10.0
"""What scores are divided by, as in OVR-CNN, whose words are vectors of BERT."""


def grounding_scores(
    words: Tensor, regions: Tensor, temperature: float = TEMPERATURE
) -> Tensor:
    """Compare each word of each caption with each region of each image.

    Everything is computed in float32, also under autocast.

    Args:
        words (Tensor): (T, W, D), words of T captions.
        regions (Tensor): (I, R, D), regions of I images in the space of the words.
        temperature (float): Above 0.

    Returns:
        Tensor: (T, I, W, R) float32, inner products over the temperature.

    Examples:
        >>> words, regions = torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[3.0, 1.0]]])
        >>> grounding_scores(words, regions, temperature=10).item()
        0.6000000238418579
    """
    with torch.autocast(device_type=regions.device.type, enabled=False):
        scores = torch.einsum('twd,ird->tiwr', words.float(), regions.float())
        return scores / temperature


def grounding_distances(
    scores: Tensor, word_mask: Tensor, region_mask: Tensor
) -> tuple[Tensor, Tensor]:
    r"""Say how far captions are from images, by attention both ways.

    A word attends to the regions of an image, with a softmax of its scores, and counts
    with its mean score under that attention; a region attends to words likewise:

    .. math:: D^w = -\frac1W \sum_w \sum_r a_{wr} s_{wr}, \qquad
              D^r = -\frac1R \sum_r \sum_w b_{wr} s_{wr}

    Args:
        scores (Tensor): (T, I, W, R) float of :func:`grounding_scores`.
        word_mask (Tensor): (T, W) bool, False where a caption has no word.
        region_mask (Tensor): (I, R) bool, False where an image has no region.

    Returns:
        tuple[Tensor, Tensor]: Both (T, I) float: of words that attend to regions, and
        of regions that attend to words. 0, which says nothing, where a caption has no
        word or an image no region.

    Examples:
        >>> scores = torch.tensor([[[[1.0, 3.0]]]])  # one word, two regions
        >>> one, two = torch.ones(1, 1, dtype=bool), torch.ones(1, 2, dtype=bool)
        >>> [round(d.item(), 4) for d in grounding_distances(scores, one, two)]
        [-2.7616, -2.0]
    """
    word_mask, region_mask = word_mask[:, None, :, None], region_mask[None, :, None]
    valid = word_mask & region_mask
    lowest = torch.finfo(scores.dtype).min  # -inf would give NaN where all is padding
    scores = scores.masked_fill(~valid, 0.0)
    over_regions = scores.masked_fill(~region_mask, lowest).softmax(dim=3)
    over_words = scores.masked_fill(~word_mask, lowest).softmax(dim=2)
    num_words = word_mask.sum(dim=(2, 3)).clamp(min=1)
    num_regions = region_mask.sum(dim=(2, 3)).clamp(min=1)
    return (
        -(over_regions * scores).sum(dim=(2, 3)) / num_words,
        -(over_words * scores).sum(dim=(2, 3)) / num_regions,
    )


def matching_losses(distances: Tensor) -> tuple[Tensor, Tensor]:
    """Tell from distances which image and which caption belong together.

    Args:
        distances (Tensor): (B, B) float, of each caption (rows) from each image; those
            on the diagonal belong together. B >= 1.

    Returns:
        tuple[Tensor, Tensor]: Scalar cross-entropies of choosing the image of a
        caption, and the caption of an image.

    Examples:
        >>> losses = matching_losses(torch.tensor([[-1.0, 0.0], [0.0, -1.0]]))
        >>> [round(loss.item(), 4) for loss in losses]  # ln(1 + 1 / e)
        [0.3133, 0.3133]
    """
    right = torch.arange(len(distances), device=distances.device)
    return (
        functional.cross_entropy(-distances, right),
        functional.cross_entropy(-distances.T, right),
    )


def grounding_losses(
    words: Tensor,
    word_mask: Tensor,
    regions: Tensor,
    region_mask: Tensor,
    temperature: float = TEMPERATURE,
) -> dict[str, Tensor]:
    """Tell the captions of a batch apart, and its images, by words and regions.

    Pairs of which the caption has no word or the image no region are left out. With
    fewer than two pairs there is nothing to tell apart, and all losses are 0.

    Args:
        words (Tensor): (B, W, D), words of the captions.
        word_mask (Tensor): (B, W) bool.
        regions (Tensor): (B, R, D), regions of the images, in the same order.
        region_mask (Tensor): (B, R) bool.
        temperature (float): See :func:`grounding_scores`.

    Returns:
        dict[str, Tensor]: Scalars. The four losses, ``loss_{words,regions}_to_image``
        and ``loss_{words,regions}_to_caption``: what attends, and what is chosen. And
        ``acc_image``, per cent of captions whose image is the nearest to their words.
    """
    kept = word_mask.any(dim=1) & region_mask.any(dim=1)
    scores = grounding_scores(words[kept], regions[kept], temperature)
    by_words, by_regions = grounding_distances(
        scores, word_mask[kept], region_mask[kept]
    )
    losses = {}
    for name, distances in (('words', by_words), ('regions', by_regions)):
        if kept.any():
            image, caption = matching_losses(distances)
        else:  # connected all the same: processes that train together wait for it
            image = caption = regions.float().sum() * 0
        losses[f'loss_{name}_to_image'] = image
        losses[f'loss_{name}_to_caption'] = caption
    nearest = by_words.argmin(dim=1) if kept.any() else by_words.new_zeros(0)
    right = nearest == torch.arange(len(nearest), device=nearest.device)
    losses['acc_image'] = 100 * right.float().sum() / max(len(right), 1)
    return losses
