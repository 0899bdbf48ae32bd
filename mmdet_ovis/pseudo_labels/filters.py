"""Which pseudo annotations of an image a detector is trained with."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from pycocotools import mask as mask_api

from ..structures.pseudo_annotation import RLE, PseudoAnnotation


def select_pseudo_annotations(
    anns: Sequence[PseudoAnnotation],
    iou_thresh: float | None = None,
    score_thresh: float | None = None,
    top_k: int | None = None,
    rng: random.Random | None = None,
) -> list[PseudoAnnotation]:
    """Choose among the pseudo annotations of one image.

    The rules of GGN (Wang et al., CVPR 2022, section 3.3), in this order.

    Args:
        anns (Sequence[PseudoAnnotation]): Those of one image, in any order.
        iou_thresh (float, optional): Keep ``gt_iou < iou_thresh``, strictly: masks
            that no seen instance explains already.
        score_thresh (float, optional): Keep ``score >= score_thresh``.
        top_k (int, optional): Keep so many of the rest, best rank first.
        rng (random.Random, optional): Draw the ``top_k`` at random instead.

    Returns:
        list[PseudoAnnotation]: By rank, or shuffled if ``rng`` is given.

    Raises:
        ValueError: If ``top_k`` is negative, or ``iou_thresh`` meets a mask whose
            ``gt_iou`` is unknown (None).

    Examples:
        >>> anns = [dict(rank=r, gt_iou=i, score=1.0)
        ...         for r, i in enumerate([0.6, 0.2, 0.1])]
        >>> select_pseudo_annotations(anns, iou_thresh=0.5, top_k=1)
        [{'rank': 1, 'gt_iou': 0.2, 'score': 1.0}]
    """
    if top_k is not None and top_k < 0:
        raise ValueError(f'top_k is a number of masks, not {top_k}')
    if iou_thresh is not None and any(ann['gt_iou'] is None for ann in anns):
        raise ValueError(
            'iou_thresh needs the gt_iou of every mask, and that of some is unknown; '
            'compare them with ground truth first (fill_gt_iou)'
        )
    kept = [
        ann
        for ann in anns
        if (iou_thresh is None or ann['gt_iou'] < iou_thresh)
        and (score_thresh is None or ann['score'] >= score_thresh)
    ]
    kept.sort(key=lambda ann: ann['rank'])
    if rng is not None:
        rng.shuffle(kept)
    return kept[:top_k]


def drop_contained_annotations(
    anns: Sequence[PseudoAnnotation], gt_rles: Sequence[RLE], contain_thresh: float
) -> list[PseudoAnnotation]:
    """Leave out the pseudo annotations that are parts of labelled objects.

    A wheel of a labelled car has a small IoU with the car, so ``iou_thresh`` keeps it.
    What gives it away is the share of its own area that lies inside the car.

    Args:
        anns (Sequence[PseudoAnnotation]): n annotations of one image.
        gt_rles (Sequence[RLE]): m seen instances at the size of the image, see
            :func:`~mmdet_ovis.structures.instance_masks.seen_rles`.
        contain_thresh (float): Largest share in [0, 1] of a mask that may lie inside
            one instance; 1 keeps all.

    Returns:
        list[PseudoAnnotation]: The rest, in the same order.

    Raises:
        ValueError: If ``contain_thresh`` is not in [0, 1].

    Examples:
        >>> square = {'size': [4, 4], 'counts': '0`0'}  # the whole image
        >>> corner = {'size': [4, 4], 'counts': '02>'}  # two of its pixels
        >>> drop_contained_annotations([{'segmentation': corner}], [square], 0.9)
        []
    """
    if not 0 <= contain_thresh <= 1:
        raise ValueError(f'contain_thresh is a share in [0, 1], not {contain_thresh}')
    if not anns or not gt_rles:
        return list(anns)
    # With a crowd, pycocotools divides the intersection by the area of the mask alone.
    shares = mask_api.iou(
        [ann['segmentation'] for ann in anns], list(gt_rles), [1] * len(gt_rles)
    )  # n x m
    contained = shares.max(axis=1) > contain_thresh
    return [ann for ann, drop in zip(anns, contained, strict=True) if not drop]


def suppress_overlaps(
    anns: Sequence[PseudoAnnotation], iou_thresh: float
) -> list[PseudoAnnotation]:
    """Leave out masks that a better one shows already (non-maximum suppression).

    Args:
        anns (Sequence[PseudoAnnotation]): n annotations of one image, best first.
        iou_thresh (float): Keep a mask if its IoU with each better one that is kept is
            at most this, in [0, 1].

    Returns:
        list[PseudoAnnotation]: The rest, in the same order.

    Raises:
        ValueError: If ``iou_thresh`` is not in [0, 1].

    Examples:
        >>> whole = {'segmentation': {'size': [4, 4], 'counts': '0`0'}}
        >>> half = {'segmentation': {'size': [4, 4], 'counts': '088'}}
        >>> len(suppress_overlaps([half, whole, half], 0.7))
        2
        >>> len(suppress_overlaps([half, whole, half], 0.4))
        1
    """
    if not 0 <= iou_thresh <= 1:
        raise ValueError(f'iou_thresh is an IoU in [0, 1], not {iou_thresh}')
    rles = [ann['segmentation'] for ann in anns]
    if len(rles) < 2:
        return list(anns)
    ious = mask_api.iou(rles, rles, [0] * len(rles))  # n x n
    kept: list[int] = []
    for i in range(len(rles)):
        if ious[i, kept].max(initial=0) <= iou_thresh:
            kept.append(i)
    return [anns[i] for i in kept]


def score_weight(score: float, low: float, high: float) -> float:
    """Map a score to the weight of its mask in the loss.

    Args:
        score (float): Of a pseudo annotation.
        low (float): Score from which on a mask counts at all.
        high (float): Score from which on it counts as much as ground truth.

    Returns:
        float: ``(score - low) / (high - low)``, clipped to [0, 1].

    Examples:
        >>> [score_weight(score, 1.0, 2.0) for score in (0.5, 1.25, 3.0)]
        [0.0, 0.25, 1.0]
    """
    return float(np.clip((score - low) / (high - low), 0.0, 1.0))
