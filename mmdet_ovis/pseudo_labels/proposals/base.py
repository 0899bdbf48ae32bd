"""The one interface behind which all sources of proposals stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmcv.ops import nms

from ...structures.proposals import Proposals
from ...structures.pseudo_annotation import RLE


@dataclass(frozen=True, eq=False)
class FoundBoxes:
    """What a provider found in one image, before anything is chosen.

    Args:
        boxes (np.ndarray): (N, 4) x1, y1, x2, y2 in pixels of the image, the ends
            exclusive; they may reach beyond it.
        scores (np.ndarray): (N,), higher is better.
        encode (Callable, optional): Makes the masks of some of them, given their
            places; so that only those that stay are encoded.
    """

    boxes: np.ndarray
    scores: np.ndarray
    encode: Callable[[np.ndarray], Sequence[RLE]] | None = None


class ProposalProvider(ABC):
    """Proposes boxes of an image.

    A new provider is one module in this folder: a subclass with a ``name``, registered
    in ``mmdet.registry.TASK_UTILS``, that implements :meth:`find`. It must be
    picklable, since worker processes run it, and deterministic, since a resumed run
    must give the same bytes.

    Args:
        top_k (int, optional): Proposals an image, best first, after suppression.
            Defaults to 100; None keeps all.
        nms_iou (float, optional): A box that overlaps a better one by more than this
            IoU is dropped. Defaults to 0.7; None keeps all.
        clip (bool): Cut boxes at the borders of the image, and drop what is left
            without area. Defaults to True.

    Raises:
        ValueError: If ``top_k`` is not positive or ``nms_iou`` not in (0, 1].
    """

    name: str
    """What stands under ``proposal`` in the annotations."""

    def __init__(
        self,
        top_k: int | None = 100,
        nms_iou: float | None = 0.7,
        clip: bool = True,
    ) -> None:
        if top_k is not None and top_k < 1:
            raise ValueError(f'top_k is the number of proposals an image, not {top_k}')
        if nms_iou is not None and not 0 < nms_iou <= 1:
            raise ValueError(f'nms_iou is an overlap in (0, 1], not {nms_iou}')
        self.top_k = top_k
        self.nms_iou = nms_iou
        self.clip = clip

    @property
    def parameters(self) -> dict[str, Any]:
        """All that proposals depend on besides the image, ready for JSON."""
        return {
            'name': self.name,
            'top_k': self.top_k,
            'nms_iou': self.nms_iou,
            'clip': self.clip,
        }

    @abstractmethod
    def find(self, image: np.ndarray, image_id: int, file_name: str) -> FoundBoxes:
        """Find boxes, in any order; :meth:`propose` chooses among them."""

    def propose(self, image: np.ndarray, image_id: int, file_name: str) -> Proposals:
        """Propose boxes of one image.

        Args:
            image (np.ndarray): (H, W, 3) uint8, BGR.
            image_id (int): Id in the annotation file.
            file_name (str): Name in the annotation file.

        Returns:
            Proposals: Best first; equal scores keep the order in which they were
            found.
        """
        found = self.find(image, image_id, file_name)
        size = image.shape[:2]
        boxes = np.asarray(found.boxes, np.float32).reshape(-1, 4)
        scores = np.asarray(found.scores, np.float32).reshape(-1)
        if self.clip:
            boxes = clip_boxes(boxes, size)
        kept = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
        kept = kept[np.argsort(-scores[kept], kind='stable')]
        if self.nms_iou is not None:
            kept = kept[suppress(boxes[kept], self.nms_iou)]
        kept = kept[: self.top_k]
        masks = None if found.encode is None else tuple(found.encode(kept))
        return Proposals(boxes[kept], scores[kept], size, masks)


def clip_boxes(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut boxes at the borders of an image.

    Args:
        boxes (np.ndarray): (N, 4) xyxy.
        size (tuple[int, int]): Height and width.

    Returns:
        np.ndarray: (N, 4); those outside have no area.

    Examples:
        >>> clip_boxes(np.array([[-0.3, 0, 20, 20]]), (10, 30)).tolist()
        [[0.0, 0.0, 20.0, 10.0]]
    """
    height, width = size
    return np.clip(boxes, 0, np.array([width, height] * 2, boxes.dtype))


def suppress(boxes: np.ndarray, iou: float) -> np.ndarray:
    """Drop boxes that overlap a better one.

    Args:
        boxes (np.ndarray): (N, 4) float32 xyxy, best first.
        iou (float): Largest overlap that may stay.

    Returns:
        np.ndarray: Places of those that stay, rising.

    Examples:
        >>> boxes = np.array([[0, 0, 4, 4], [0, 0, 4, 3], [5, 5, 9, 9]], np.float32)
        >>> suppress(boxes, 0.7).tolist()
        [0, 2]
    """
    if not len(boxes):
        return np.empty(0, np.intp)
    # Ranks instead of scores: the sorting inside is not promised to be stable.
    ranks = np.arange(len(boxes), 0, -1, dtype=np.float32)
    _, kept = nms(np.ascontiguousarray(boxes), ranks, iou_threshold=iou)
    return np.sort(kept)
