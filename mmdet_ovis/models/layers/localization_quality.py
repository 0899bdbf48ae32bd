"""How well a box is placed on an object: what replaces classification in OLN."""

from __future__ import annotations

from collections.abc import Callable

from mmdet.models.task_modules.coders.tblr_bbox_coder import bboxes2tblr
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from ...utils.settings import check_choice


def centerness(tblr: Tensor) -> Tensor:
    """Compute how central a point lies in a box (Tian et al., FCOS, ICCV 2019, eq. 3).

    Args:
        tblr (Tensor): (N, 4), distances from the point to the top, bottom, left and
            right side of the box; vertical and horizontal ones may have units of their
            own, as only their ratios matter. Negative ones lie outside.

    Returns:
        Tensor: (N,) in [0, 1]: 1 at the centre, 0 on the border and outside.

    Examples:
        >>> import torch
        >>> centerness(torch.tensor([[0.5, 0.5, 0.5, 1.5], [1, 1, -1, 3]]))
        tensor([0.5774, 0.0000])
    """
    vertical, horizontal = tblr[:, :2], tblr[:, 2:]
    inside = (tblr > 0).all(dim=1)
    ratio = _least_over_most(vertical) * _least_over_most(horizontal)
    return ratio.where(inside, ratio.new_zeros(())).sqrt()


def _least_over_most(pair: Tensor) -> Tensor:
    most = pair.amax(dim=1)
    return pair.amin(dim=1) / most.where(most > 0, most.new_ones(()))


def box_centerness(boxes: Tensor, targets: Tensor) -> Tensor:
    """Compute the centerness of the centre of each box in its target, (N,) in [0, 1].

    Args:
        boxes (Tensor): (N, 4), xyxy.
        targets (Tensor): (N, 4), xyxy.
    """
    return centerness(bboxes2tblr(boxes, targets, normalizer=1.0))


def box_iou(boxes: Tensor, targets: Tensor) -> Tensor:
    """Compute the IoU of each box with its target, (N,) in [0, 1].

    Args:
        boxes (Tensor): (N, 4), xyxy.
        targets (Tensor): (N, 4), xyxy.
    """
    return bbox_overlaps(boxes, targets, is_aligned=True)


LOCALIZATION_QUALITIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    'Centerness': box_centerness,
    'BoxIoU': box_iou,
}
"""Qualities that a head can learn, by the name that configs use."""


def get_localization_quality(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Look up a quality.

    Raises:
        ValueError: If there is none of that name.
    """
    check_choice('localization quality', name, LOCALIZATION_QUALITIES)
    return LOCALIZATION_QUALITIES[name]
