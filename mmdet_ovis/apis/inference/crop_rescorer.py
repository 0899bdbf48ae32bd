"""A second opinion on detections: CLIP looks at their crops.

X. Gu et al., Open-vocabulary Object Detection via Vision and Language Knowledge
Distillation (ViLD), ICLR 2022, ensembles the two scores by a geometric mean in which
each side has the last word on the classes that it knows better.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.device import get_device
from torch import Tensor
from torch.nn import functional

from ...structures.class_splits import COCO_OV_BASE_CLASSES
from ...structures.vocabulary import name_key
from ...vlm.clip_surgery import ClipSurgery


class CropRescorer:
    """Multiplies the scores of instances with what CLIP sees in their boxes.

    The new score is ``detector ** (1 - w) * clip ** w``, where ``clip`` is the softmax
    over the vocabulary of CLIP's scaled similarities of crop and words.

    Args:
        clip (ClipSurgery): CLIP, of the text space of the words.
        base_names (Collection[str]): Words that the detector was trained on with masks
            of people. Defaults to the 48 base classes of COCO.
        base_weight (float): w of these words, in [0, 1].
        novel_weight (float): w of all others.
        enlarge (float): Factor of the sides of a box for its crop, at least 1.
        batch_size (int): Crops at once.
        model_id (str, optional): Name of the CLIP, which inferencers compare with that
            of their text vectors. Defaults to None: not known.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        clip: ClipSurgery,
        base_names: Collection[str] = COCO_OV_BASE_CLASSES,
        base_weight: float = 0.35,
        novel_weight: float = 0.65,
        enlarge: float = 1.2,
        batch_size: int = 32,
        model_id: str | None = None,
    ) -> None:
        if not (0 <= base_weight <= 1 and 0 <= novel_weight <= 1):
            raise ValueError(
                'base_weight and novel_weight are in [0, 1], not '
                f'{base_weight} and {novel_weight}'
            )
        if enlarge < 1 or batch_size < 1:
            raise ValueError('enlarge and batch_size are at least 1')
        self.clip = clip
        self.base_names = {name_key(name) for name in base_names}
        self.base_weight = base_weight
        self.novel_weight = novel_weight
        self.enlarge = enlarge
        self.batch_size = batch_size
        self.model_id = model_id

    @classmethod
    def from_checkpoint(
        cls, checkpoint: str | os.PathLike, device: str | None = None, **options: Any
    ) -> CropRescorer:
        """Load CLIP.

        Args:
            checkpoint (str | PathLike): Folder or hub name.
            device (str, optional): Defaults to the best one available.
            **options: Of the class.

        Raises:
            FileNotFoundError: If there is no such folder.
            CheckpointError: If it is not CLIP, or incomplete.
        """
        # Of the image tower only the class token is read, which no block changes.
        clip = ClipSurgery(checkpoint, num_blocks=1)
        return cls(
            clip.to(device or get_device()),
            model_id=os.fspath(checkpoint),
            **options,
        )

    @torch.no_grad()
    def __call__(
        self,
        image: np.ndarray,
        sample: DetDataSample,
        names: Sequence[str],
        vectors: Tensor,
    ) -> DetDataSample:
        """Score the instances of an image again.

        Args:
            image (np.ndarray): (H, W, 3) uint8, BGR.
            sample (DetDataSample): With ``pred_instances`` on the CPU.
            names (Sequence[str]): The vocabulary.
            vectors (Tensor): (C, D) its text vectors.

        Returns:
            DetDataSample: The same instances, best first.

        Raises:
            ValueError: If the vectors are not of CLIP's dimension.
        """
        found = sample.pred_instances
        result = DetDataSample(metainfo=sample.metainfo)
        result.pred_instances = found
        if not len(found):
            return result
        opinions = self._look(crops_of(image, found.bboxes.numpy(), self.enlarge))
        opinions = opinions @ self._texts(vectors, opinions.shape[1])  # n x C
        scale = self.clip.network.logit_scale.exp()
        opinions = (scale * opinions).softmax(dim=1).cpu()
        own = opinions[torch.arange(len(found)), found.labels]
        is_base = [name_key(name) in self.base_names for name in names]
        weights = torch.where(
            torch.tensor(is_base)[found.labels], self.base_weight, self.novel_weight
        )
        scores = found.scores ** (1 - weights) * own**weights
        order = scores.argsort(descending=True, stable=True)
        found = found[order]
        found.scores = scores[order]
        result.pred_instances = found
        return result

    def _look(self, crops: Sequence[np.ndarray]) -> Tensor:
        """Embed crops, (n, D) of length 1."""
        parts = [
            self.clip.encode(
                self.clip.preprocess(crops[start : start + self.batch_size])
            ).features[:, 0]
            for start in range(0, len(crops), self.batch_size)
        ]
        return torch.cat(parts)

    def _texts(self, vectors: Tensor, dim: int) -> Tensor:
        if vectors.shape[1] != dim:
            raise ValueError(
                f'crops are embedded in {dim} dimensions, but the text vectors have '
                f'{vectors.shape[1]}: use the CLIP whose text encoder made them'
            )
        return functional.normalize(vectors.to(self.clip.device)).T


def crops_of(
    image: np.ndarray, boxes: np.ndarray, enlarge: float = 1.0
) -> list[np.ndarray]:
    """Cut boxes out of an image.

    Args:
        image (np.ndarray): (H, W, 3).
        boxes (np.ndarray): (n, 4) xyxy in pixels.
        enlarge (float): Factor of their sides.

    Returns:
        list[np.ndarray]: n crops of at least one pixel, within the image.

    Examples:
        >>> image = np.zeros((10, 20, 3), np.uint8)
        >>> crops_of(image, np.array([[4.0, 4.0, 8.0, 6.0]]), 2.0)[0].shape
        (4, 8, 3)
    """
    height, width = image.shape[:2]
    crops = []
    for x1, y1, x2, y2 in boxes:
        dx, dy = (enlarge - 1) / 2 * (x2 - x1), (enlarge - 1) / 2 * (y2 - y1)
        left = int(np.clip(np.floor(x1 - dx), 0, width - 1))
        top = int(np.clip(np.floor(y1 - dy), 0, height - 1))
        right = int(np.clip(np.ceil(x2 + dx), left + 1, width))
        bottom = int(np.clip(np.ceil(y2 + dy), top + 1, height))
        crops.append(image[top:bottom, left:right])
    return crops
