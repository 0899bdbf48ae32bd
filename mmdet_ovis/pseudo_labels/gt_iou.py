"""How much of a pseudo mask the labels say already, where its file does not tell."""

from __future__ import annotations

from collections.abc import Sequence

from ..structures.pseudo_annotation import RLE, PseudoAnnotation
from .sources.base import best_ious

_DECIMALS = 6
"""As in what this project extracts."""


def fill_gt_iou(
    anns: Sequence[PseudoAnnotation], gt_rles: Sequence[RLE]
) -> list[PseudoAnnotation]:
    """Compute ``gt_iou`` where it is None.

    Masks of other tools come without it (:mod:`.results`): only who has the ground
    truth can say whether they repeat it.

    Args:
        anns (Sequence[PseudoAnnotation]): Those of one image.
        gt_rles (Sequence[RLE]): Seen instances at the size of the image, crowds
            excluded, see :func:`~mmdet_ovis.structures.instance_masks.seen_rles`.

    Returns:
        list[PseudoAnnotation]: In the same order; those that know theirs stay.

    Examples:
        >>> square = {'size': [4, 4], 'counts': '0`0'}  # the whole image
        >>> half = {'size': [4, 4], 'counts': '088'}
        >>> fill_gt_iou([{'segmentation': half, 'gt_iou': None}], [square])[0]['gt_iou']
        0.5
    """
    unknown = [i for i, ann in enumerate(anns) if ann['gt_iou'] is None]
    filled = list(anns)
    ious = best_ious([anns[i]['segmentation'] for i in unknown], gt_rles)
    for i, iou in zip(unknown, ious, strict=True):
        filled[i] = {**anns[i], 'gt_iou': round(float(iou), _DECIMALS)}
    return filled
