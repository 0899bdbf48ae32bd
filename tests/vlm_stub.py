"""A vision-language model in closed form, for tests without a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mmdet_ovis.structures.phrase import Phrase
from mmdet_ovis.vlm.base import (
    ImageState,
    PhraseMaps,
    VisionLanguageModel,
    check_texts,
)

COLORS = {
    'red': (1.0, 0.0, 0.0),
    'green': (0.0, 1.0, 0.0),
    'blue': (0.0, 0.0, 1.0),
    'yellow': (1.0, 1.0, 0.0),
    'cyan': (0.0, 1.0, 1.0),
    'magenta': (1.0, 0.0, 1.0),
    'white': (1.0, 1.0, 1.0),
    'black': (0.0, 0.0, 0.0),
}
"""RGB in [0, 1]."""
REACH = 0.5
"""Distance in RGB at which a colour no longer matches."""


class ColorMatcher(VisionLanguageModel):
    """Sees colours: evidence of a phrase is the blurred match with the colour it names.

    The colour of a phrase is the first word of its ``name``, then of its ``text``, that
    stands in ``COLORS`` (so category 'red' or 'red square', or phrase 'the red one').
    Each cell of the grid is compared by the mean colour of its pixels: its match is
    ``max(0, 1 - |cell - colour| / REACH)``, and a 3 x 3 mean blurs the matches; cells
    outside the image count as 0. A phrase without colour, or whose colour is nowhere,
    gets a map of zeros.

    An image matches its caption with the mean, over the colours that the caption names,
    of the largest value of the blurred match; 0 if it names none.

    Everything is a function of one image and one caption, in plain arithmetic.

    Args:
        image_size (int): Side of the square input in pixels.
        grid (int): Cells along each side; divides ``image_size``.
    """

    def __init__(self, image_size: int = 64, grid: int = 16) -> None:
        super().__init__(image_size)
        self.grid = (grid, grid)
        self.freeze()

    def encode(self, pixels: Tensor) -> ImageState:
        """Features are mean colours, RGB in [0, 1]: of the image, then of each cell."""
        cells = functional.adaptive_avg_pool2d(self.denormalize(pixels), self.grid)
        cells = cells.flatten(2).transpose(1, 2)  # B x hw x 3
        features = torch.cat([cells.mean(dim=1, keepdim=True), cells], dim=1)
        return ImageState(features, self.grid)

    def match(self, state: ImageState, captions: Sequence[str]) -> Tensor:
        return self._p_match(state, captions).logit(eps=1e-6)

    def phrase_maps(
        self,
        state: ImageState,
        captions: Sequence[str],
        phrases: Sequence[Sequence[Phrase]],
    ) -> PhraseMaps:
        check_texts(state, captions, phrases)
        maps = []
        for i, wanted in enumerate(phrases):
            found = [
                self._evidence(state, i, named_colors(f'{phrase.name} {phrase.text}'))
                for phrase in wanted
            ]
            empty = state.features.new_zeros((0, *self.grid))
            maps.append(torch.stack(found) if found else empty)
        return PhraseMaps(maps, self._p_match(state, captions))

    def _p_match(self, state: ImageState, captions: Sequence[str]) -> Tensor:
        check_texts(state, captions)
        found = state.features.new_zeros(len(captions))
        for i, caption in enumerate(captions):
            colors = dict.fromkeys(named_colors(caption))
            peaks = [self._evidence(state, i, [color]).max() for color in colors]
            if peaks:
                found[i] = torch.stack(peaks).mean()
        return found

    def _evidence(self, state: ImageState, index: int, colors: Sequence[str]) -> Tensor:
        cells = state.features[index, 1:]
        if not colors:
            return cells.new_zeros(self.grid)
        color = cells.new_tensor(COLORS[colors[0]])
        match = (1 - (cells - color).norm(dim=1) / REACH).clamp(min=0)
        return functional.avg_pool2d(match.view(1, 1, *self.grid), 3, 1, 1)[0, 0]


def named_colors(text: str) -> list[str]:
    """Colours that a text names, in its order."""
    return [word for word in text.lower().split() if word in COLORS]
