"""Which region each word of a caption means.

Source: Huynh et al., *Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling* (CVPR 2022), where every word takes its best region (``'argmax'``).
"""

from __future__ import annotations

import torch
from mmdet.structures.bbox import bbox_overlaps
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from ...utils.settings import check_choice

CHOICES = ('argmax', 'greedy', 'hungarian')


def word_similarities(
    regions: Tensor, words: Tensor, normalize_visual: bool = False
) -> Tensor:
    """Compare regions and words.

    Args:
        regions (Tensor): (P, D) projected regions.
        words (Tensor): (W, D) text vectors; brought to length 1.
        normalize_visual (bool): Bring regions to length 1, too. Without it, regions of
            great norm are favoured. Defaults to False.

    Returns:
        Tensor: (W, P) float32.

    Examples:
        >>> regions = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> word_similarities(regions, torch.tensor([[3.0, 4.0]])).round(decimals=4)
        tensor([[1.2000, 0.8000, 1.0000]])
    """
    # Regions that look nearly alike would be ties in half precision.
    with torch.autocast(regions.device.type, enabled=False):
        regions, words = regions.float(), functional.normalize(words.float())
        if normalize_visual:
            regions = functional.normalize(regions)
        return words @ regions.T


def choose_regions(
    similarities: Tensor,
    boxes: Tensor | None = None,
    choice: str = 'greedy',
    max_overlap: float = 0.5,
    allowed: Tensor | None = None,
    min_similarity: float | None = None,
    bonus: Tensor | None = None,
) -> Tensor:
    """Give each word a region.

    - ``'argmax'``: its best one, whatever the others have.
    - ``'greedy'``: the best pair of a word and a region first; a region that overlaps
      one that is taken is taken too.
    - ``'hungarian'``: one region a word, so that the sum of similarities is greatest;
      overlaps do not count.

    Args:
        similarities (Tensor): (W, P).
        boxes (Tensor, optional): (P, 4) xyxy, for overlaps. Defaults to None: regions
            do not overlap.
        choice (str): See above. Defaults to ``'greedy'``.
        max_overlap (float): IoU from which regions are taken for one. Defaults to 0.5.
        allowed (Tensor, optional): (P,) bool, regions that may be chosen. Defaults to
            None: all.
        min_similarity (float, optional): Pairs below it are not made. Defaults to None.
        bonus (Tensor, optional): (P,) what regions have ahead whatever the word.
            Defaults to None.

    Returns:
        Tensor: (W,) int64, the region of each word, or -1 where none is left.

    Raises:
        ValueError: If the choice is unknown.

    Examples:
        >>> scores = torch.tensor([[1.2, 0.8, 1.0], [2.0, 0.0, 0.6]])
        >>> [choose_regions(scores, choice=choice).tolist() for choice in CHOICES]
        [[0, 0], [2, 0], [2, 0]]
    """
    check_choice('choice', choice, CHOICES)
    scores = similarities.detach().float().clone()
    if allowed is not None:
        scores[:, ~allowed] = -torch.inf
    if min_similarity is not None:
        scores[scores < min_similarity] = -torch.inf
    if bonus is not None:
        scores += bonus.detach().float()
    chosen = scores.new_full((len(scores),), -1, dtype=torch.long)
    if not scores.numel():
        return chosen
    if choice == 'argmax':
        values, places = scores.max(1)
        return torch.where(values.isfinite(), places, chosen)
    if choice == 'hungarian':
        return _assign(scores, chosen)
    return _take_greedily(scores, chosen, boxes, max_overlap)


def _take_greedily(
    scores: Tensor, chosen: Tensor, boxes: Tensor | None, max_overlap: float
) -> Tensor:
    for _ in range(len(scores)):
        best = scores.argmax()
        word, region = divmod(int(best), scores.shape[1])
        if not scores[word, region].isfinite():
            break
        chosen[word] = region
        scores[word] = -torch.inf
        scores[:, region] = -torch.inf
        if boxes is not None:
            overlaps = bbox_overlaps(boxes[region][None], boxes)[0]
            scores[:, overlaps >= max_overlap] = -torch.inf
    return chosen


def _assign(scores: Tensor, chosen: Tensor) -> Tensor:
    possible = scores.isfinite()
    # Worse than any set of pairs that are possible, so it is taken only without choice.
    low = scores[possible].min() if possible.any() else scores.new_zeros(())
    high = scores[possible].max() if possible.any() else scores.new_zeros(())
    never = low - (high - low + 1) * (len(scores) + 1)
    filled = torch.where(possible, scores, never).cpu().numpy()
    for word, region in zip(*linear_sum_assignment(filled, maximize=True), strict=True):
        if possible[word, region]:
            chosen[word] = int(region)
    return chosen
