"""The one interface behind which all sources of pseudo labels stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
from pycocotools import mask as mask_api

from ...structures.pseudo_annotation import RLE, PseudoAnnotation

NO_WORD: Final = 'no_known_word'
"""Reason for an image none of whose captions names a class."""

_DECIMALS = 6
"""Enough for any threshold, and the same text on every machine."""


@dataclass(frozen=True)
class Evidence:
    """What is known about one image before there are masks.

    Args:
        image_id (int): Id in the annotation file.
        ori_shape (tuple[int, int]): Height and width of the original image.
        gt_rles (Sequence[RLE], optional): Instances of seen classes at the original
            size, crowds excluded. Only compared with, never copied. Defaults to None:
            nobody compares.
    """

    image_id: int
    ori_shape: tuple[int, int]
    gt_rles: Sequence[RLE] | None = None


@dataclass(frozen=True)
class DroppedPhrase:
    """A word of a caption of which no annotation was made.

    Args:
        name (str): What it names; empty if the image has no word at all.
        reason (str): Why, for example ``'no_proposal'``.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class SourceOutput:
    """What a source makes of one image.

    Args:
        annotations (list[PseudoAnnotation]): Best rank first.
        seconds (dict[str, float]): Time spent, by stage.
        dropped (list[DroppedPhrase]): Words without an annotation, where the source
            starts from words.
    """

    annotations: list[PseudoAnnotation]
    seconds: dict[str, float] = field(default_factory=dict)
    dropped: list[DroppedPhrase] = field(default_factory=list)


class PseudoLabelSource(ABC):
    """Turns the evidence of one image into pseudo annotations.

    A new source is one module in this folder: a subclass with a ``name``, registered
    in ``mmdet.registry.TASK_UTILS``, whose :meth:`annotate` ends with
    :func:`build_annotations`. It must be picklable, since worker processes run it,
    and deterministic, since a resumed run must give the same bytes.
    """

    name: str
    """What stands under ``source`` in its annotations."""

    evidence: ClassVar[type[Evidence]] = Evidence
    """What :meth:`annotate` needs to be given."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """All that the output depends on besides the evidence, ready for JSON."""

    @abstractmethod
    def annotate(self, evidence: Evidence) -> SourceOutput:
        """Make the annotations of one image."""


def build_annotations(
    evidence: Evidence,
    rles: Sequence[RLE],
    scores: Sequence[float] | np.ndarray,
    source: str,
    category_id: int | Sequence[int] = 1,
    compared: Sequence[RLE] | None = None,
    extras: Sequence[Mapping[str, Any]] | None = None,
) -> list[PseudoAnnotation]:
    """Make annotations from masks.

    Args:
        evidence (Evidence): Their image.
        rles (Sequence[RLE]): Masks at the original size, best first. Empty ones are
            dropped, so that ranks are consecutive.
        scores (Sequence[float]): One a mask, finite.
        source (str): Name of the source.
        category_id (int | Sequence[int]): Category in the output, of all masks or one
            a mask.
        compared (Sequence[RLE], optional): The masks at the original size, where
            ``rles`` have another: what is compared with the instances.
        extras (Sequence[Mapping], optional): Further keys, one mapping a mask; none of
            those that are set here.

    Returns:
        list[PseudoAnnotation]: In the order of ``rles``.
    """
    if not rles:
        return []
    # One by one: under NumPy 2, pycocotools fails on lists of more than 255 masks.
    areas = [int(mask_api.area(rle)) for rle in rles]
    boxes = mask_api.toBbox(list(rles))
    ious: Sequence[float | None] = [None] * len(rles)
    if evidence.gt_rles is not None:
        found = best_ious(rles if compared is None else compared, evidence.gt_rles)
        ious = [round(float(iou), _DECIMALS) for iou in found]
    kept = [i for i in range(len(rles)) if areas[i] > 0]
    if isinstance(category_id, int):
        category_id = [category_id] * len(rles)
    return [
        {
            'image_id': evidence.image_id,
            'category_id': category_id[i],
            'segmentation': rles[i],
            'bbox': [int(side) for side in boxes[i]],
            'area': areas[i],
            'iscrowd': 0,
            'score': round(float(scores[i]), _DECIMALS),
            'rank': rank,
            'gt_iou': ious[i],
            'source': source,
            'pseudo': 1,
            **(extras[i] if extras is not None else {}),
        }
        for rank, i in enumerate(kept)
    ]


def best_ious(rles: Sequence[RLE], gt_rles: Sequence[RLE]) -> np.ndarray:
    """Compute the best mask IoU of each mask with any instance.

    Args:
        rles (Sequence[RLE]): n masks.
        gt_rles (Sequence[RLE]): Instances at the same size.

    Returns:
        np.ndarray: (n,) float64 in [0, 1], 0 where there is no instance.
    """
    if not len(rles) or not len(gt_rles):
        return np.zeros(len(rles))
    crowds = [0] * len(gt_rles)
    return mask_api.iou(list(rles), list(gt_rles), crowds).max(axis=1)
