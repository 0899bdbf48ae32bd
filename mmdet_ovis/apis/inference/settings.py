"""What becomes a result when words are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...models.layers.embedding_classifier import SCORE_MODES
from ...utils.settings import check_choice

NMS_MODES: Final = ('class', 'agnostic')
MAX_SCORE_THR: Final = 0.05


@dataclass(frozen=True)
class InferenceSettings:
    """What becomes a result.

    Attributes:
        score_thr (float | str): Least score, in [0, 1); ``'auto'`` follows the number
            of words, see :func:`auto_score_thr`.
        score_mode (str, optional): ``'softmax'``, ``'sigmoid'`` or ``'softmax_topm'``,
            see :func:`~mmdet_ovis.models.layers.embedding_classifier.class_scores`.
            Defaults to None: that of the config.
        topk (int): Instances an image.
        nms (str): ``'class'`` lets a region have several names; with ``'agnostic'``
            only the best of near-synonyms is left of it.
        iou (float): Overlap of boxes above which the better one suppresses the other.
        masks (bool): Predict masks.

    Raises:
        ValueError: If a setting is out of its range.
    """

    score_thr: float | str = 'auto'
    score_mode: str | None = None
    topk: int = 100
    nms: str = 'class'
    iou: float = 0.5
    masks: bool = True

    def __post_init__(self) -> None:
        is_number = isinstance(self.score_thr, int | float)
        if self.score_thr != 'auto' and not (is_number and 0 <= self.score_thr < 1):
            raise ValueError(
                f"score_thr is 'auto' or a number in [0, 1), not {self.score_thr!r}"
            )
        check_choice('score_mode', self.score_mode, (None, *SCORE_MODES))
        check_choice('nms', self.nms, NMS_MODES)
        if self.topk < 1:
            raise ValueError(f'topk is a number of instances, not {self.topk}')
        if not 0 < self.iou <= 1:
            raise ValueError(f'iou is an overlap in (0, 1], not {self.iou}')


def auto_score_thr(num_words: int) -> float:
    """Return a threshold that words share as they share the softmax.

    A region that fits no word has about the same score, 1 / (n + 1), for each of n
    words and the background; the threshold is half of that, and at most 0.05.

    Args:
        num_words (int): n, those for the background included; with ``'sigmoid'``, where
            words share nothing, 1, with ``'softmax_topm'`` at most ``top_m``.

    Examples:
        >>> auto_score_thr(3), auto_score_thr(99)
        (0.05, 0.005)
    """
    return min(MAX_SCORE_THR, 1 / (2 * (num_words + 1)))
