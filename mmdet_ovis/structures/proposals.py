"""Where objects may be in an image, whatever they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .pseudo_annotation import RLE


@dataclass(frozen=True, eq=False)
class Proposals:
    """Class-agnostic proposals of one image.

    Args:
        boxes (np.ndarray): (N, 4) float32, x1, y1, x2, y2 in pixels of the original
            image, the ends exclusive.
        scores (np.ndarray): (N,) float32, higher is better; their range depends on who
            proposes.
        size (tuple[int, int]): Height and width of the image.
        masks (tuple[RLE, ...], optional): N masks at ``size``, where there are any.

    Raises:
        ValueError: If the numbers of boxes, scores and masks differ, or a box or score
            is not finite.

    Examples:
        >>> found = Proposals([[0, 0, 4, 2], [1, 1, 3, 3]], [0.9, 0.4], (8, 8))
        >>> len(found), found.boxes.dtype.name, found.select([1]).boxes.tolist()
        (2, 'float32', [[1.0, 1.0, 3.0, 3.0]])
    """

    boxes: np.ndarray
    scores: np.ndarray
    size: tuple[int, int]
    masks: tuple[RLE, ...] | None = None

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float32).reshape(-1, 4)
        scores = np.asarray(self.scores, np.float32).reshape(-1)
        height, width = (int(side) for side in self.size)
        numbers = [len(boxes), len(scores)]
        if self.masks is not None:
            object.__setattr__(self, 'masks', tuple(self.masks))
            numbers.append(len(self.masks))
        if len(set(numbers)) > 1:
            raise ValueError(
                'proposals need one score a box, and one mask where there are masks; '
                f'got {" and ".join(map(str, numbers))}'
            )
        if not np.isfinite(boxes).all() or not np.isfinite(scores).all():
            raise ValueError('boxes and scores of proposals must be finite')
        object.__setattr__(self, 'boxes', boxes)
        object.__setattr__(self, 'scores', scores)
        object.__setattr__(self, 'size', (height, width))

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Proposals:
        """No proposals of an image of this height and width."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), size)

    def select(self, places: np.ndarray | list[int]) -> Proposals:
        """Keep some, in the order of ``places``."""
        places = np.asarray(places, np.intp)
        masks = self.masks and tuple(self.masks[place] for place in places)
        return Proposals(self.boxes[places], self.scores[places], self.size, masks)
