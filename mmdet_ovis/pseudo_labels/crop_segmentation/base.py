"""The one interface behind which all ways to segment a crop stand."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ...structures.proposals import Proposals

SMALL_CROP: Final = 'small_crop'


@dataclass(frozen=True, eq=False)
class CropTask:
    """An object to cut out: where it is, and where an activation map sees it.

    Attributes:
        image (np.ndarray): (H, W, 3) uint8, BGR, the whole image.
        box (tuple[int, int, int, int]): x1, y1, x2, y2 in pixels, the ends exclusive,
            within the image and not empty.
        prompt (np.ndarray): (S, S') bool, activated pixels; of any size, over the whole
            image.
        box_map (np.ndarray): (h, w) float, activation, at least 0; of any size, over
            the whole image.
        key (tuple): What tells the object from all others, such as image id, class and
            occurrence; the only thing that chance depends on.
        proposals (Proposals, optional): Those of the image, for segmenters that choose
            among their masks.
    """

    image: np.ndarray
    box: tuple[int, int, int, int]
    prompt: np.ndarray
    box_map: np.ndarray
    key: tuple[Any, ...]
    proposals: Proposals | None = None

    def seed(self, run: int) -> int:
        """Return a seed below 2**63 for one of several runs."""
        text = '\0'.join(map(str, (*self.key, run)))
        digest = hashlib.sha256(text.encode()).digest()
        return int.from_bytes(digest[:8], 'big') >> 1


@dataclass(frozen=True, eq=False)
class CropMask:
    """What became of a task.

    Attributes:
        mask (np.ndarray, optional): (H, W) bool; None if there is none.
        reason (str, optional): Why there is none, for example ``'small_crop'``.
    """

    mask: np.ndarray | None
    reason: str | None = None


class CropSegmenter(ABC):
    """Cuts objects out.

    A new segmenter is one module in this folder: a subclass with a ``name``, registered
    in ``mmdet.registry.TASK_UTILS``. It must be picklable and deterministic; what comes
    of a task must not depend on the others of the same call.
    """

    name: str
    fills_boxes: bool = False
    """Whether masks that fill their boxes are to be expected, not failures."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """All that masks depend on besides the tasks, ready for JSON."""

    @abstractmethod
    def segment(self, tasks: Sequence[CropTask]) -> list[CropMask]:
        """Cut out several objects, of one image or of many.

        Args:
            tasks (Sequence[CropTask]): The objects.

        Returns:
            list[CropMask]: One a task; masks may reach a little beyond their boxes.
        """
