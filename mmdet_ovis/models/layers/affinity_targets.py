"""Pairwise-affinity targets from instance masks.

A pixel and one of its eight neighbours have affinity 1 if they belong to the same
instance (or both to the background) and 0 otherwise. All functions are plain tensor
arithmetic on the device of their input and take part in no gradient.

Source: GGN, "Open-World Instance Segmentation: Exploiting Pseudo Ground Truth From
Learned Pairwise Affinity" (Wang et al., CVPR 2022), section 3.1. The original sums
instance ids in 8-bit integers; here an id is 32 bits wide and an overlap never makes a
third id.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pa_lib.affinity import NEIGHBOR_OFFSETS

from ...utils.settings import check_choice

BACKGROUND_ID = 0
"""Palette value of pixels that no instance covers."""
IGNORE_ID = -1
"""Palette value of pixels that take part in no supervised pair."""
_OUTSIDE_ID = -2

OVERLAP_MODES = ('smaller_on_top', 'ignore')
REDUCTIONS = ('mean', 'min', 'max')
BORDER_MODES = ('legacy', 'valid')
WEIGHT_TYPES = ('uniform', 'inverse', 'inverse_sqrt')


@torch.no_grad()
def instance_palette(masks: Tensor, overlap: str = 'smaller_on_top') -> Tensor:
    """Paint instance masks into one map of ids.

    Time O(N H W); beyond the input and the output only single masks are held.

    Args:
        masks (Tensor): Instance masks, bool or uint8, (N, H, W). N may be 0.
        overlap (str): Where masks overlap, ``'smaller_on_top'`` gives the pixel to the
            instance of smaller area (to the later one if areas are equal), and
            ``'ignore'`` gives it :data:`IGNORE_ID`.

    Returns:
        Tensor: int32, (H, W). 0 is background, ``k + 1`` the mask of index ``k``.

    Raises:
        ValueError: If ``masks`` has not three dimensions or ``overlap`` is unknown.

    Examples:
        >>> masks = torch.tensor([[[1, 1, 1, 0]], [[0, 0, 1, 1]]])
        >>> instance_palette(masks)
        tensor([[1, 1, 2, 2]], dtype=torch.int32)
        >>> instance_palette(masks, overlap='ignore')
        tensor([[ 1,  1, -1,  2]], dtype=torch.int32)
    """
    check_choice('overlap', overlap, OVERLAP_MODES)
    if masks.ndim != 3:
        raise ValueError(f'masks must be (N, H, W), got shape {tuple(masks.shape)}')
    palette = masks.new_full(masks.shape[1:], BACKGROUND_ID, dtype=torch.int32)
    shared = torch.zeros_like(palette, dtype=torch.bool)
    for index in _largest_first(masks):
        mask = masks[index].bool()
        if overlap == 'ignore':
            shared |= mask & (palette != BACKGROUND_ID)
        palette.masked_fill_(mask, index + 1)
    return palette.masked_fill_(shared, IGNORE_ID)


@torch.no_grad()
def affinity_targets(
    palette: Tensor,
    reduction: str | None = None,
    border: str = 'legacy',
    bidirection: bool = True,
) -> tuple[Tensor, Tensor]:
    """Compute affinities to the neighbours and which of them are supervised.

    A pair is supervised if its neighbour lies inside the image and at least one of the
    two pixels is foreground: same-object, object-object and object-background pairs
    teach, background pairs do not, since unlabelled objects hide in the background.

    Args:
        palette (Tensor): Instance ids of :func:`instance_palette`, int32, (H, W).
        reduction (str, optional): ``None`` keeps one channel a neighbour, in the order
            of :data:`pa_lib.affinity.NEIGHBOR_OFFSETS`. ``'mean'``, ``'min'`` and
            ``'max'`` make one soft channel of them; its pixel is supervised if any of
            its pairs is.
        border (str): What a reduction does with neighbours outside the image.
            ``'legacy'`` counts them as affinity 0, as the original does, so the frame
            of the image looks like a boundary; ``'valid'`` leaves them out.
        bidirection (bool): Use all eight neighbours, or only the first four.

    Returns:
        tuple[Tensor, Tensor]: The target, float32 in [0, 1], and the supervised
        positions, bool, both (C, H, W) with C = 8, 4 or 1. The target of a pair with a
        neighbour outside the image or with an ignored pixel is 0 and unsupervised.

    Raises:
        ValueError: If ``palette`` has not two dimensions, or if ``reduction`` or
            ``border`` is unknown.

    Examples:
        >>> palette = torch.tensor([[0, 1, 1, 1]])
        >>> target, valid = affinity_targets(palette, 'mean', border='valid')
        >>> target
        tensor([[[0.0000, 0.5000, 1.0000, 1.0000]]])
        >>> valid
        tensor([[[True, True, True, True]]])
    """
    check_choice('reduction', reduction, (None, *REDUCTIONS))
    check_choice('border', border, BORDER_MODES)
    if palette.ndim != 2:
        raise ValueError(f'palette must be (H, W), got shape {tuple(palette.shape)}')
    neighbors = _neighbors(palette, bidirection, outside=_OUTSIDE_ID)
    inside = neighbors != _OUTSIDE_ID
    known = (neighbors != IGNORE_ID) & (palette != IGNORE_ID)
    same = (neighbors == palette) & known
    foreground = (neighbors > BACKGROUND_ID) | (palette > BACKGROUND_ID)
    valid = inside & known & foreground
    if reduction is None:
        return same.float(), valid
    counted = known & inside if border == 'valid' else known
    return _reduce(same, counted, reduction), valid.any(0, keepdim=True)


@torch.no_grad()
def affinity_weights(
    palette: Tensor,
    valid: Tensor,
    weight_type: str = 'uniform',
    bidirection: bool = True,
) -> Tensor:
    """Weight the supervised positions by the size of their instances.

    A pixel of an instance with ``area`` visible pixels weighs 1, ``1 / area`` or
    ``1 / sqrt(area)``; background weighs nothing. A pair weighs as much as the heavier
    of its two pixels, and a reduced position as much as its heaviest pair.

    Args:
        palette (Tensor): Instance ids, int32, (H, W).
        valid (Tensor): Supervised positions of :func:`affinity_targets`, bool,
            (C, H, W).
        weight_type (str): ``'uniform'``, ``'inverse'`` or ``'inverse_sqrt'``.
        bidirection (bool): As it was given to :func:`affinity_targets`.

    Returns:
        Tensor: float32, (C, H, W), 0 where ``valid`` is False.

    Raises:
        ValueError: If ``weight_type`` is unknown.

    Examples:
        >>> palette = torch.tensor([[1, 1, 1, 1, 0, 2]])
        >>> _, valid = affinity_targets(palette, 'mean')
        >>> affinity_weights(palette, valid, 'inverse')
        tensor([[[0.2500, 0.2500, 0.2500, 0.2500, 1.0000, 1.0000]]])
    """
    check_choice('weight_type', weight_type, WEIGHT_TYPES)
    if weight_type == 'uniform':
        return valid.float()
    ids = palette.clamp(min=BACKGROUND_ID)  # ignored pixels weigh nothing either
    areas = torch.bincount(ids.flatten()).float()
    weight_of_id = areas.clamp(min=1).pow(-1.0 if weight_type == 'inverse' else -0.5)
    weight_of_id[BACKGROUND_ID] = 0
    weights = weight_of_id[ids.long()]
    pairs = _neighbors(weights, bidirection, outside=0).maximum(weights)  # K x H x W
    if valid.shape[0] == 1:
        pairs = pairs.amax(0, keepdim=True)
    return pairs * valid


def _largest_first(masks: Tensor) -> list[int]:
    """Return mask indices by falling area, earlier ones first where areas are equal."""
    # One count a mask: a single sum over (N, H, W) would make an int64 copy of it.
    areas = [torch.count_nonzero(mask) for mask in masks]
    if not areas:
        return []
    return torch.stack(areas).argsort(descending=True, stable=True).tolist()


def _neighbors(image: Tensor, bidirection: bool, outside: int) -> Tensor:
    """Stack the image as seen from each neighbour: (H, W) -> (K, H, W)."""
    offsets = NEIGHBOR_OFFSETS if bidirection else NEIGHBOR_OFFSETS[:4]
    height, width = image.shape
    padded = functional.pad(image, (1, 1, 1, 1), value=outside)
    return torch.stack(
        [
            padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
            for down, right in offsets
        ]
    )


def _reduce(same: Tensor, counted: Tensor, reduction: str) -> Tensor:
    """Reduce (K, H, W) affinities over the neighbours that count to (1, H, W)."""
    if reduction == 'mean':
        total = counted.sum(0, keepdim=True, dtype=torch.float32)
        return same.sum(0, keepdim=True, dtype=torch.float32) / total.clamp(min=1)
    if reduction == 'min':
        least = (same | ~counted).all(0, keepdim=True)
        return (least & counted.any(0, keepdim=True)).float()
    return same.any(0, keepdim=True).float()
