"""Suppression within each class that does not depend on the number of the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.models.layers import multiclass_nms
from torch import Tensor


def nms_by_class(
    boxes: Tensor,
    scores: Tensor,
    score_thr: float,
    nms_cfg: Mapping[str, Any],
    max_num: int = -1,
) -> tuple[Tensor, Tensor]:
    """Suppress overlapping boxes of the same class.

    mmdet's ``multiclass_nms`` moves the boxes of each class to a place of their own,
    at ``label * size of the image``. With a thousand classes float32 is left with
    eighths of a pixel there, and what is suppressed depends on the order of the
    vocabulary. Here every class is looked at on its own.

    Args:
        boxes (Tensor): (N, 4) xyxy, shared by all classes.
        scores (Tensor): (N, C + 1), the background last.
        score_thr (float): Scores have to be above it.
        nms_cfg (Mapping): As for ``multiclass_nms``; ``class_agnostic=True`` makes it
            do all the work.
        max_num (int): Keep so many; -1 keeps all.

    Returns:
        tuple[Tensor, Tensor]: Boxes with scores (n, 5), best first, and labels (n,).

    Examples:
        >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0.0, 0, 4, 3.5]])
        >>> scores = torch.tensor([[0.5, 0.3, 0.2], [0.6, 0.2, 0.2]])
        >>> nms_by_class(boxes, scores, 0.1, dict(type='nms', iou_threshold=0.5))[1]
        tensor([0, 1])
    """
    classes = (scores[:, :-1] > score_thr).any(0).nonzero()[:, 0].tolist()
    if nms_cfg.get('class_agnostic') or len(classes) < 2:
        return multiclass_nms(boxes, scores, score_thr, nms_cfg, max_num)
    found = [
        multiclass_nms(boxes, scores[:, [label, -1]], score_thr, nms_cfg, max_num)[0]
        for label in classes
    ]
    labels = [
        torch.full((len(dets),), label, device=boxes.device)
        for dets, label in zip(found, classes, strict=True)
    ]
    dets, labels = torch.cat(found), torch.cat(labels)
    order = dets[:, 4].argsort(descending=True, stable=True)
    order = order[:max_num] if max_num > 0 else order
    return dets[order], labels[order]
