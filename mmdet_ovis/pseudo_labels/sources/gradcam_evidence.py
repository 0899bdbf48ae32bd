"""What is known of the words of one image, and what was found of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from ...structures.phrase import Phrase
from ...structures.proposals import Proposals
from ...structures.vocabulary import Vocabulary
from ..box_choice import BoxChoice
from ..crop_segmentation import CropTask
from .base import Evidence

_DECIMALS: Final = 6


class Activation(Protocol):
    """Where a phrase is seen; :class:`mmdet_ovis.vlm.PhraseActivation` is one.

    Attributes:
        phrase (Phrase): The phrase.
        box_map (np.ndarray): (h, w) float32, at least 0: what chooses the box.
        prompt (np.ndarray): (S, S') bool: where the object may be.
        p_match (Sequence[float]): Probabilities that image and caption match.
        flags (Sequence[str]): Holds ``'flat_activation'`` if nothing stood out.
    """

    phrase: Phrase
    box_map: np.ndarray
    prompt: np.ndarray
    p_match: Sequence[float]
    flags: Sequence[str]


@dataclass(frozen=True)
class GradCamEvidence(Evidence):
    """An image, where the words of its captions are seen, and where objects may be.

    Args:
        image (np.ndarray): (H, W, 3) uint8, BGR.
        activations (Sequence[Activation]): Of all phrases of all captions.
        proposals (Proposals, optional): Class-agnostic ones; None if the source has a
            provider of its own.
        provider (str): Name of who proposed.
        file_name (str): Name of the image in its dataset.
    """

    image: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))
    activations: Sequence[Activation] = ()
    proposals: Proposals | None = None
    provider: str = ''
    file_name: str = ''


@dataclass(frozen=True, eq=False)
class FoundObject:
    """An activation with its box.

    Attributes:
        activation (Activation): Where its phrase is seen.
        choice (BoxChoice): The box.
        task (CropTask): What is to be cut out.
        label (int): Place of its name in the vocabulary.
    """

    activation: Activation
    choice: BoxChoice
    task: CropTask
    label: int

    def extras(self, vocabulary: Vocabulary, provider: str) -> dict[str, Any]:
        """Keys of the annotation that only this source has."""
        return {
            'word': vocabulary.names[self.label],
            'phrase': self.activation.phrase.text,
            'coverage': round(self.choice.coverage, _DECIMALS),
            'density': round(self.choice.density, _DECIMALS),
            'p_match': [round(float(p), _DECIMALS) for p in self.activation.p_match],
            'proposal': provider,
            'proposal_box': list(self.choice.box),
        }


def check_sizes(evidence: GradCamEvidence) -> None:
    """Insist that image and proposals have the size of the evidence.

    Raises:
        ValueError: If not.
    """
    size = tuple(evidence.ori_shape)
    for what, other in (
        ('the image is', evidence.image.shape[:2]),
        ('its proposals are', evidence.proposals.size),
    ):
        if tuple(other) != size:
            raise ValueError(
                f'image_id {evidence.image_id}: {what} of {list(other)}, the '
                f'evidence is of {list(size)} (height, width)'
            )
