"""What a vision-language model has to offer to serve as evidence for masks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

if TYPE_CHECKING:
    from ..structures.phrase import Phrase

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""RGB statistics of CLIP on values in [0, 1]; ALBEF, BLIP, BridgeTower share them."""


@dataclass(frozen=True)
class ImageState:
    """Encoded images, without gradient history.

    Attributes:
        features (Tensor): (B, 1 + h * w, D) float32, class token first, then the
            patches row by row.
        grid (tuple[int, int]): h, w.
    """

    features: Tensor
    grid: tuple[int, int]

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class PhraseMaps:
    """Where the phrases of captions are seen.

    Attributes:
        maps (list[Tensor]): One an image, (K_b, h, w) float32 and not negative; K_b is
            the number of phrases of that image.
        p_match (Tensor): (B,) float32 in [0, 1], how well image and caption match.
    """

    maps: list[Tensor]
    p_match: Tensor


class VisionLanguageModel(nn.Module, ABC):
    """A frozen model that says where in an image the phrases of a caption are.

    Parameters never require gradients, and the model stays in evaluation mode whatever
    :meth:`train` is asked for. Results for an image depend on the other images of the
    batch by rounding errors only.

    Args:
        image_size (int | tuple[int, int]): Height and width of the input in pixels.
        mean (Sequence[float]): Of the RGB channels, on values in [0, 1].
        std (Sequence[float]): Likewise.
    """

    def __init__(
        self,
        image_size: int | tuple[int, int],
        mean: Sequence[float] = CLIP_MEAN,
        std: Sequence[float] = CLIP_STD,
    ) -> None:
        super().__init__()
        self.image_size = as_size(image_size)
        for name, values in (('pixel_mean', mean), ('pixel_std', std)):
            value = torch.tensor(values, dtype=torch.float32).view(3, 1, 1)
            self.register_buffer(name, value, persistent=False)

    @property
    def device(self) -> torch.device:
        """Where inputs have to be."""
        return self.pixel_mean.device

    def freeze(self) -> None:
        """Take all parameters out of training; subclasses call it when built."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> VisionLanguageModel:
        """Stay in evaluation mode."""
        return super().train(False)

    def preprocess(self, images: Sequence[np.ndarray]) -> Tensor:
        """Resize and normalise images; their aspect ratio is not kept.

        The filter is Pillow's bicubic one, as where the models were trained.

        Args:
            images (Sequence[np.ndarray]): Each (H, W, 3) uint8 BGR, as mmcv reads them.

        Returns:
            Tensor: (B, 3, *image_size) float32 on the device of the model.

        Raises:
            ValueError: If an array is not such an image.
        """
        height, width = self.image_size
        pixels = np.empty((len(images), height, width, 3), np.uint8)
        for i, image in enumerate(images):
            pixels[i] = _resize_bicubic(_check_image(image, i), height, width)
        pixels = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2)
        return (pixels.float() / 255 - self.pixel_mean) / self.pixel_std

    def denormalize(self, pixels: Tensor) -> Tensor:
        """Undo the normalisation, to look at what a model was shown.

        Args:
            pixels (Tensor): (B, 3, H, W) or (3, H, W), of :meth:`preprocess`.

        Returns:
            Tensor: Of the same shape, RGB in [0, 1].
        """
        return (pixels * self.pixel_std + self.pixel_mean).clamp(0, 1)

    @abstractmethod
    def encode(self, pixels: Tensor) -> ImageState:
        """Encode images.

        Args:
            pixels (Tensor): (B, 3, *image_size), of :meth:`preprocess`.
        """

    @abstractmethod
    def match(self, state: ImageState, captions: Sequence[str]) -> Tensor:
        """Return how well each image and its caption match.

        Args:
            state (ImageState): B images.
            captions (Sequence[str]): B captions.

        Returns:
            Tensor: (B,) float32, raw logits of "they match".
        """

    @abstractmethod
    def phrase_maps(
        self,
        state: ImageState,
        captions: Sequence[str],
        phrases: Sequence[Sequence[Phrase]],
    ) -> PhraseMaps:
        """Return where each phrase of each caption is seen.

        Args:
            state (ImageState): B images.
            captions (Sequence[str]): B captions.
            phrases (Sequence[Sequence[Phrase]]): Those of each caption, maybe none.

        Raises:
            ValueError: If the lengths differ, or a phrase is not part of its caption.
        """


def as_size(size: int | Sequence[int]) -> tuple[int, int]:
    """Return height and width.

    Examples:
        >>> as_size(384)
        (384, 384)
        >>> as_size([384, 480])
        (384, 480)
    """
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)


def patch_grid(image_size: tuple[int, int], patch_size: int) -> tuple[int, int]:
    """Return the number of patches along height and width.

    Args:
        image_size (tuple[int, int]): Height and width in pixels.
        patch_size (int): Side of a patch in pixels.

    Raises:
        ValueError: If the patches do not fill the image.

    Examples:
        >>> patch_grid((384, 384), 16)
        (24, 24)
    """
    if any(side < patch_size or side % patch_size for side in image_size):
        raise ValueError(
            f'image_size {image_size} is not a multiple of the patches of this model, '
            f'{patch_size} pixels'
        )
    return image_size[0] // patch_size, image_size[1] // patch_size


def check_texts(
    state: ImageState,
    captions: Sequence[str],
    phrases: Sequence[Sequence[Phrase]] | None = None,
) -> None:
    """Check that captions and phrases belong to the images of a batch.

    Raises:
        ValueError: If the lengths differ, or a phrase does not stand in its caption
            where it says.
    """
    counts = {'captions': captions, 'lists of phrases': phrases}
    for what, values in counts.items():
        if values is not None and len(values) != len(state):
            raise ValueError(
                f'{len(values)} {what} for {len(state)} images; one each is needed'
            )
    for i, wanted in enumerate(phrases or ()):
        for phrase in wanted:
            if captions[i][phrase.start : phrase.end] != phrase.text or not phrase.text:
                raise ValueError(
                    f'phrase {phrase.text!r} is not at [{phrase.start}, {phrase.end}) '
                    f'of caption {i}, {captions[i]!r}; pass the caption that the '
                    'phrases were found in'
                )


def _check_image(image: np.ndarray, index: int) -> np.ndarray:
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] != 3
        or not image.size
    ):
        shape, dtype = getattr(image, 'shape', None), getattr(image, 'dtype', None)
        raise ValueError(
            f'image {index} has to be an array (H, W, 3) of uint8, not '
            f'{type(image).__name__} of shape {shape} and dtype {dtype}'
        )
    return image


def _resize_bicubic(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """BGR of any size -> RGB (height, width, 3)."""
    rgb = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
    return np.asarray(rgb.resize((width, height), Image.Resampling.BICUBIC))
