"""Masks of the words of captions, as a teacher that knows other classes draws them.

Source: CMPL (Huynh et al., CVPR 2022).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from mmdet.registry import TASK_UTILS

from ...structures.pseudo_annotation import PseudoAnnotation
from ..mask_cleaning import encode_mask
from .base import (
    NO_WORD,
    DroppedPhrase,
    Evidence,
    PseudoLabelSource,
    SourceOutput,
    build_annotations,
)

LABELLED: Final = 'labelled_class'
"""Reason for a word of a class that people annotated in this image: it may have objects
of it or not, but all of them have labels."""
SAME_CLASS: Final = 'same_class'
"""Reason for a word of the class of another word of the image, which is looked for."""
NO_REGION: Final = 'no_region'
"""Reason for a word that no region was left for, or whose mask has no pixel."""
LOW_SCORE: Final = 'low_score'
SMALL: Final = 'small_mask'
BEYOND_TOPK: Final = 'beyond_topk'

_BOX_DECIMALS: Final = 2


@dataclass(frozen=True)
class TeacherEvidence(Evidence):
    """The words of an image, and the n instances that a teacher has made of them.

    Args:
        words (Sequence[str]): W words of the captions.
        names (Sequence[str]): W class names that they stand for.
        labels (Sequence[int]): W places of these names in the caption vocabulary.
        searched (Sequence[int]): Places of the words that were looked for; of the
            others, some stand for the class of one of these, and the rest for classes
            that people annotated.
        places (np.ndarray): (n,) int64, places in ``searched``.
        scores (np.ndarray): (n,) float32 in [0, 1].
        boxes (np.ndarray): (n, 4) float32 xyxy in pixels of the image: what the masks
            were drawn in.
        masks (np.ndarray): (n, H, W) bool, at the size of the image.
    """

    words: Sequence[str] = ()
    names: Sequence[str] = ()
    labels: Sequence[int] = ()
    searched: Sequence[int] = ()
    places: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    masks: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), bool))


@TASK_UTILS.register_module()
class TeacherSource(PseudoLabelSource):
    """Keep the instances that a teacher has made of words.

    The category of an instance is the place of its name in the caption vocabulary,
    from 1; ``word`` is the name, ``phrase`` the word of the caption, and
    ``proposal_box`` the box that the mask was drawn in.

    Args:
        topk (int, optional): Masks an image, best score first. Defaults to None: all.
        min_score (float, optional): Keep ``score >= min_score``, in [0, 1]. Defaults to
            None: all.
        min_area (int): Keep masks of at least so many pixels. Defaults to 1.

    Raises:
        ValueError: If a value is out of its range.
    """

    name = 'teacher'
    evidence = TeacherEvidence

    def __init__(
        self,
        topk: int | None = None,
        min_score: float | None = None,
        min_area: int = 1,
    ) -> None:
        if topk is not None and topk < 1:
            raise ValueError(f'topk is the number of masks an image, not {topk}')
        if min_score is not None and not 0 <= min_score <= 1:
            raise ValueError(f'min_score is in [0, 1] or None, not {min_score}')
        if min_area < 1:
            raise ValueError(f'min_area is a number of pixels, not {min_area}')
        self.topk = topk
        self.min_score = min_score
        self.min_area = min_area

    @property
    def parameters(self) -> dict[str, Any]:
        """What is kept."""
        return {
            'topk': self.topk,
            'min_score': self.min_score,
            'min_area': self.min_area,
        }

    def annotate(self, evidence: TeacherEvidence) -> SourceOutput:
        """Make the annotations of one image.

        Args:
            evidence (TeacherEvidence): Words and instances.

        Returns:
            SourceOutput: Annotations by score; every other word stands in ``dropped``;
            seconds of ``encoding``.

        Raises:
            ValueError: If the masks are not of the size of the image.
        """
        start = time.perf_counter()
        _check_size(evidence)
        order = np.argsort(-evidence.scores, kind='stable').tolist()
        reasons = {i: self._reason_against(evidence, i) for i in order}
        kept = [i for i in order if reasons[i] is None]
        for i in kept[self.topk :] if self.topk is not None else ():
            reasons[i] = BEYOND_TOPK
        kept = kept[: self.topk]
        annotations = self._build(evidence, kept)
        dropped = _dropped(evidence, reasons)
        return SourceOutput(
            annotations, {'encoding': time.perf_counter() - start}, dropped
        )

    def _reason_against(self, evidence: TeacherEvidence, i: int) -> str | None:
        area = np.count_nonzero(evidence.masks[i])
        if not area:
            return NO_REGION
        if self.min_score is not None and evidence.scores[i] < self.min_score:
            return LOW_SCORE
        return SMALL if area < self.min_area else None

    def _build(
        self, evidence: TeacherEvidence, kept: Sequence[int]
    ) -> list[PseudoAnnotation]:
        words = [evidence.searched[evidence.places[i]] for i in kept]
        return build_annotations(
            evidence,
            [encode_mask(evidence.masks[i]) for i in kept],
            evidence.scores[kept],
            self.name,
            [int(evidence.labels[word]) + 1 for word in words],
            extras=[
                {
                    'word': evidence.names[word],
                    'phrase': evidence.words[word],
                    'proposal_box': _rounded(evidence.boxes[i]),
                }
                for i, word in zip(kept, words, strict=True)
            ],
        )


def _check_size(evidence: TeacherEvidence) -> None:
    size = tuple(evidence.masks.shape[1:])
    if len(evidence.masks) and size != tuple(evidence.ori_shape):
        raise ValueError(
            f'image_id {evidence.image_id}: the masks are of {list(size)}, the '
            f'evidence is of {list(evidence.ori_shape)} (height, width)'
        )


def _dropped(
    evidence: TeacherEvidence, reasons: dict[int, str | None]
) -> list[DroppedPhrase]:
    """Say of each word without an annotation why it has none, in the order of words."""
    if not evidence.words:
        return [DroppedPhrase('', NO_WORD)]
    found = {evidence.labels[word] for word in evidence.searched}
    why: dict[int, str | None] = {
        word: SAME_CLASS if label in found else LABELLED
        for word, label in enumerate(evidence.labels)
    }
    why |= dict.fromkeys(evidence.searched, NO_REGION)
    why |= {
        evidence.searched[evidence.places[i]]: reason for i, reason in reasons.items()
    }
    return [
        DroppedPhrase(evidence.names[word], reason)
        for word, reason in why.items()
        if reason is not None
    ]


def _rounded(box: np.ndarray) -> list[float]:
    return [round(float(side), _BOX_DECIMALS) for side in box]
