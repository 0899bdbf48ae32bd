"""Which pseudo annotations of an image a detector is trained with."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..structures.pseudo_annotation import PseudoAnnotation


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
        ValueError: If ``top_k`` is negative.

    Examples:
        >>> anns = [dict(rank=r, gt_iou=i, score=1.0)
        ...         for r, i in enumerate([0.6, 0.2, 0.1])]
        >>> select_pseudo_annotations(anns, iou_thresh=0.5, top_k=1)
        [{'rank': 1, 'gt_iou': 0.2, 'score': 1.0}]
    """
    if top_k is not None and top_k < 0:
        raise ValueError(f'top_k is a number of masks, not {top_k}')
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
