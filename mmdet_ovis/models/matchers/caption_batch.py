"""Captions of a batch as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...language.caption_tokens import TokenizedCaption


class CaptionBatch(NamedTuple):
    """Tokens of the captions of a batch.

    Attributes:
        vectors (Tensor): (B, W, D) float32, 0 where there is no token.
        mask (Tensor): (B, W) bool, which of them there are.
        ids (Tensor): (B, W) int64, their rows in the table of all tokens.
    """

    vectors: Tensor
    mask: Tensor
    ids: Tensor

    @classmethod
    def of(cls, captions: Sequence[TokenizedCaption], dim: int) -> CaptionBatch:
        """Bring captions to one length.

        Args:
            captions (Sequence[TokenizedCaption]): B captions.
            dim (int): D.

        Returns:
            CaptionBatch: On the CPU; W is the length of the longest, at least 1.
        """
        longest = max([1, *(len(caption.texts) for caption in captions)])
        shape = len(captions), longest
        batch = cls(
            torch.zeros(*shape, dim),
            torch.zeros(shape, dtype=torch.bool),
            torch.zeros(shape, dtype=torch.long),
        )
        for i, caption in enumerate(captions):
            number = len(caption.texts)
            batch.vectors[i, :number] = torch.from_numpy(caption.vectors)
            batch.mask[i, :number] = True
            batch.ids[i, :number] = torch.from_numpy(caption.ids)
        return batch

    def to(self, device: torch.device | str) -> CaptionBatch:
        """Return the same on another device."""
        return CaptionBatch(*(part.to(device) for part in self))
