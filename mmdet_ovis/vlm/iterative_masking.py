"""Iterative masking: hide what was found first, so that the rest of an object shows.

V. VS et al., Mask-free OVIS: Open-Vocabulary Instance Segmentation without Manual Mask
Annotations, CVPR 2023, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from ..utils.settings import check_choice
from .activation_maps import binarize, is_flat, paint_out, resize_map, stretch
from .base import VisionLanguageModel

if TYPE_CHECKING:
    from ..structures.phrase import Phrase

FLAT = 'flat_activation'


@dataclass(frozen=True)
class PhraseActivation:
    """Where a phrase is seen in an image.

    Attributes:
        phrase (Phrase): The phrase.
        box_map (np.ndarray): (h, w) float32 in [0, 1] on the grid of the model, of the
            untouched image: what chooses the box. Zeros if it was flat.
        prompt (np.ndarray): (H, W) bool at the model's input size, to which the image
            was stretched: where the map of any round was high.
        p_match (tuple[float, ...]): By round, the probability that image and caption
            match. The last is of the round that stopped the search, if one did.
        flags (tuple[str, ...]): ``'flat_activation'`` if nothing stood out in the
            untouched image.
    """

    phrase: Phrase
    box_map: np.ndarray
    prompt: np.ndarray
    p_match: tuple[float, ...]
    flags: tuple[str, ...] = ()


@TASK_UTILS.register_module()
@dataclass(frozen=True)
class IterativeMasking:
    """Collects the activation of phrases over rounds of painting out.

    In each round the maps of the phrases are binarised, and where they are high the
    image is painted over with its mean for the next round. The first round alone makes
    the map for the box; the binarised maps of all rounds together make the prompt.

    ============== ================ ============
    setting        default          ``compat()``
    ============== ================ ============
    ``rounds``     3                3
    ``paint``      ``'per_phrase'`` ``'joint'``
    ``upsample``   ``'bilinear'``   ``'nearest'``
    ``stop_ratio`` 0.5              0 (never)
    ``blur``       5                5
    ============== ================ ============

    :meth:`compat` does what the code published with the paper does, except for flat
    maps: there it would divide zero by zero; here such a map adds nothing and hides
    nothing, in both presets, and a phrase that begins with one is flagged.

    Attributes:
        rounds (int): Rounds at most, the one on the untouched image included.
        paint (str): ``'joint'`` hides all phrases of an image at once; with
            ``'per_phrase'`` each has a copy of the image, where only it is hidden, so
            that phrases do not change each other's maps.
        upsample (str): How maps are resized to hide what they show, ``'bilinear'`` or
            ``'nearest'``. For the prompt it is always bilinear.
        stop_ratio (float): Stop when the matching probability falls below this fraction
            of that of the first round; the maps of that round do not count.
        blur (int): Side of the Gaussian window before binarising, odd, in input pixels.
        batch_size (int): Images that the model is given at once. Results depend on it
            by the rounding errors of the model only.

    Raises:
        ValueError: If a setting is out of its range.
    """

    rounds: int = 3
    paint: Literal['per_phrase', 'joint'] = 'per_phrase'
    upsample: Literal['bilinear', 'nearest'] = 'bilinear'
    stop_ratio: float = 0.5
    blur: int = 5
    batch_size: int = 16

    def __post_init__(self) -> None:
        check_choice('paint', self.paint, ('per_phrase', 'joint'))
        check_choice('upsample', self.upsample, ('bilinear', 'nearest'))
        if self.rounds < 1 or self.batch_size < 1:
            raise ValueError('rounds and batch_size have to be 1 or more')
        if not 0 <= self.stop_ratio <= 1:
            raise ValueError(f'stop_ratio has to be in [0, 1], not {self.stop_ratio}')
        if self.blur < 1 or self.blur % 2 == 0:
            raise ValueError(f'blur has to be odd and positive, not {self.blur}')

    @classmethod
    def compat(cls, **changes: int) -> IterativeMasking:
        """Return the settings of the code published with the paper.

        Args:
            **changes: Settings to change, for example ``batch_size``.
        """
        original = cls(paint='joint', upsample='nearest', stop_ratio=0.0)
        return replace(original, **changes)

    def __call__(
        self,
        model: VisionLanguageModel,
        images: Sequence[np.ndarray],
        captions: Sequence[str],
        phrases: Sequence[Sequence[Phrase]],
    ) -> list[list[PhraseActivation]]:
        """Find phrases in images.

        Args:
            model (VisionLanguageModel): Says where phrases are seen.
            images (Sequence[np.ndarray]): N images, (H, W, 3) uint8 BGR.
            captions (Sequence[str]): N captions.
            phrases (Sequence[Sequence[Phrase]]): Those of each caption, maybe none.

        Returns:
            list[list[PhraseActivation]]: One an image, in the order of its phrases.

        Raises:
            ValueError: If the lengths differ, or the model refuses an input.
        """
        if not len(images) == len(captions) == len(phrases):
            raise ValueError(
                f'{len(images)} images, {len(captions)} captions and {len(phrases)} '
                'lists of phrases; one each is needed'
            )
        traces = [[_Trace(phrase) for phrase in wanted] for wanted in phrases]
        wanted = [i for i, found in enumerate(traces) if found]
        for start in range(0, len(wanted), self.batch_size):
            chosen = wanted[start : start + self.batch_size]
            pixels = model.preprocess([images[i] for i in chosen])
            self._search(
                model,
                [
                    _Canvas(image, captions[i], traces[i])
                    for i, image in zip(chosen, pixels, strict=True)
                ],
            )
        return [[trace.finish() for trace in found] for found in traces]

    def _search(self, model: VisionLanguageModel, canvases: list[_Canvas]) -> None:
        """Run all rounds on a few images."""
        for last in [False] * (self.rounds - 1) + [True]:
            for start in range(0, len(canvases), self.batch_size):
                self._look(model, canvases[start : start + self.batch_size])
            if last:
                break
            canvases = [
                painted
                for canvas in canvases
                for part in self._part(canvas)
                if (painted := self._hide(part)) is not None
            ]

    def _look(self, model: VisionLanguageModel, canvases: list[_Canvas]) -> None:
        """One pass of the model; adds what it finds to the traces."""
        state = model.encode(torch.stack([canvas.pixels for canvas in canvases]))
        found = model.phrase_maps(
            state,
            [canvas.caption for canvas in canvases],
            [[trace.phrase for trace in canvas.traces] for canvas in canvases],
        )
        for canvas, maps, p in zip(
            canvases, found.maps, found.p_match.tolist(), strict=True
        ):
            canvas.maps = maps
            for trace in canvas.traces:
                trace.p_match.append(p)
            canvas.is_lost = p < self.stop_ratio * canvas.traces[0].p_match[0]
            if canvas.is_lost:
                continue
            for trace, activation in zip(canvas.traces, maps, strict=True):
                self._add(trace, activation, canvas.pixels.shape[-2:])

    def _add(self, trace: _Trace, activation: Tensor, size: tuple[int, int]) -> None:
        flat = is_flat(activation)
        if trace.box_map is None:
            trace.prompt = np.zeros(tuple(size), bool)
            box_map = torch.zeros_like(activation) if flat else stretch(activation)
            trace.box_map = box_map.cpu().numpy().astype(np.float32)
            trace.flags = (FLAT,) if flat else ()
        if not flat:
            smooth = stretch(resize_map(activation, size, 'bilinear'))
            trace.prompt |= binarize(smooth.cpu().numpy(), self.blur)

    def _part(self, canvas: _Canvas) -> list[_Canvas]:
        """Give each phrase a canvas of its own, where the settings say so."""
        if canvas.is_lost:
            return []
        if self.paint == 'joint':
            return [canvas]
        return [
            _Canvas(canvas.pixels, canvas.caption, [trace], activation[None])
            for trace, activation in zip(canvas.traces, canvas.maps, strict=True)
        ]

    def _hide(self, canvas: _Canvas) -> _Canvas | None:
        """Paint out what a canvas shows; None where nothing stands out."""
        size = tuple(canvas.pixels.shape[-2:])
        clear = [activation for activation in canvas.maps if not is_flat(activation)]
        if not clear:
            return None
        total = sum(stretch(resize_map(a, size, self.upsample)) for a in clear)
        if is_flat(total):
            return None
        pixels = paint_out(canvas.pixels, stretch(total))
        return _Canvas(pixels, canvas.caption, canvas.traces)


@dataclass
class _Trace:
    """What is known of a phrase so far."""

    phrase: Phrase
    box_map: np.ndarray | None = None
    prompt: np.ndarray | None = None
    p_match: list[float] = field(default_factory=list)
    flags: tuple[str, ...] = ()

    def finish(self) -> PhraseActivation:
        return PhraseActivation(
            self.phrase, self.box_map, self.prompt, tuple(self.p_match), self.flags
        )


@dataclass
class _Canvas:
    """An image as it is painted, with the phrases that are searched on it."""

    pixels: Tensor  # 3 x H x W
    caption: str
    traces: list[_Trace]
    maps: Sequence[Tensor] = ()  # of the last look, one a trace
    is_lost: bool = False
