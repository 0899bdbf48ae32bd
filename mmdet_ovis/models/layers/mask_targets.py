"""Mask targets of regions, computed where the masks are."""

from __future__ import annotations

import torch
from mmcv.ops import roi_align
from torch import Tensor
from torch.nn import functional

from ...utils.settings import check_choice

TARGET_RULES = ('threshold', 'any')


def crop_mask_targets(
    masks: Tensor,
    boxes: Tensor,
    places: Tensor,
    size: tuple[int, int],
    rule: str = 'threshold',
) -> Tensor:
    """Crop masks to boxes and resize them.

    - ``'threshold'``: a target pixel is set where at least half of it is covered, as
      mmdet does it, but without leaving the device.
    - ``'any'``: boxes are rounded to pixels, and a target pixel is set where bilinear
      interpolation gives anything above 0. So masks grow by up to a pixel. This is what
      the published code of XPM does to pseudo masks.

    Args:
        masks (Tensor): (n, H, W) bool.
        boxes (Tensor): (k, 4) xyxy in pixels.
        places (Tensor): (k,) int64: which mask is cropped to each box.
        size (tuple[int, int]): Height h and width w of the targets.
        rule (str): One of the two. Defaults to ``'threshold'``.

    Returns:
        Tensor: (k, h, w) float32, 0 or 1.

    Raises:
        ValueError: If the rule is unknown.

    Examples:
        >>> masks = torch.zeros(1, 10, 10, dtype=torch.bool)
        >>> masks[:, :, :5] = True
        >>> box, place = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([0])
        >>> [int(crop_mask_targets(masks, box, place, (14, 14), rule)[0, 0].sum())
        ...  for rule in ('threshold', 'any')]
        [7, 8]
    """
    check_choice('rule', rule, TARGET_RULES)
    if not len(boxes):
        return boxes.new_zeros(0, *size)
    boxes = boxes.detach().float()
    if rule == 'any':
        return _crop_generously(masks, boxes, places, size)
    rois = torch.cat([places[:, None].float(), boxes], dim=1)
    soft = roi_align(masks[:, None].float(), rois, size, 1.0, 0, 'avg', True)
    return (soft[:, 0] >= 0.5).float()


def _crop_generously(
    masks: Tensor, boxes: Tensor, places: Tensor, size: tuple[int, int]
) -> Tensor:
    height, width = masks.shape[-2:]
    targets = []
    corners = boxes.round().long().tolist()
    for (x1, y1, x2, y2), place in zip(corners, places.tolist(), strict=True):
        left, top = min(max(x1, 0), width - 1), min(max(y1, 0), height - 1)
        part = masks[place, top : max(y2, top + 1), left : max(x2, left + 1)]
        resized = functional.interpolate(
            part[None, None].float(), size, mode='bilinear'
        )
        targets.append(resized[0, 0] > 0)
    return torch.stack(targets).float()
