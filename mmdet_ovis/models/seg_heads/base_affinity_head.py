"""What all pairwise-affinity heads share: targets, loss and prediction."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmdet.structures.mask import BaseInstanceMasks
from mmdet.utils import ConfigType, OptMultiConfig
from mmengine.model import BaseModule
from torch import Tensor

from ...utils.settings import check_choice
from ..layers.affinity_targets import (
    BORDER_MODES,
    OVERLAP_MODES,
    REDUCTIONS,
    WEIGHT_TYPES,
    affinity_targets,
    affinity_weights,
    instance_palette,
)
from ..layers.pyramid_pooling import resize


class ImageTargets(NamedTuple):
    """Affinity targets of one image.

    Attributes:
        target (Tensor): Affinities, float32 in [0, 1], (C, h, w).
        valid (Tensor): Supervised positions, bool, (C, h, w).
        palette (Tensor): Instance ids (index in ``gt_instances`` + 1), 0 for
            background, -1 for ignored pixels, int32, (h, w).
    """

    target: Tensor
    valid: Tensor
    palette: Tensor


class BaseAffinityHead(BaseModule, metaclass=ABCMeta):
    """Base of heads that predict the affinity of every pixel to its neighbours.

    A subclass maps backbone features to logits in :meth:`forward`. Logits are resized
    to the padded network input, and each image is cropped to its own size before it
    meets its targets, so that padding never enters the loss.

    Source: GGN (Wang et al., CVPR 2022), section 3.1.

    Args:
        num_affinity (int): Output channels: 8 (all neighbours), 4 (up, left, up-left,
            down-left) or 1 (the neighbours reduced). Defaults to 8.
        reduction (str): How the eight neighbours make one target if ``num_affinity``
            is 1: ``'mean'``, ``'min'`` or ``'max'``. Defaults to ``'mean'``.
        border (str): Whether neighbours outside the image count as affinity 0
            (``'legacy'``) or are left out (``'valid'``) in the reduction. Defaults to
            ``'legacy'``.
        overlap (str): Who owns pixels that several masks cover, ``'smaller_on_top'``
            or ``'ignore'``. Defaults to ``'smaller_on_top'``.
        weight_type (str): Weight of the pixels of an instance by its area,
            ``'uniform'``, ``'inverse'`` or ``'inverse_sqrt'``. Defaults to
            ``'uniform'``.
        align_corners (bool): How maps are resized. Defaults to False.
        loss_affinity (dict): Config of the loss. Defaults to
            ``dict(type='AffinityLoss')``.
        init_cfg (dict, optional): Initialisation config.

    Raises:
        ValueError: If an option is unknown, or if the loss counts all positions alike
            (``filter_bg=False``) while others ask to ignore or weight some.
    """

    def __init__(
        self,
        num_affinity: int = 8,
        reduction: str = 'mean',
        border: str = 'legacy',
        overlap: str = 'smaller_on_top',
        weight_type: str = 'uniform',
        align_corners: bool = False,
        loss_affinity: ConfigType = dict(type='AffinityLoss'),  # noqa: B006
        init_cfg: OptMultiConfig = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        check_choice('num_affinity', num_affinity, (1, 4, 8))
        check_choice('reduction', reduction, REDUCTIONS)
        check_choice('border', border, BORDER_MODES)
        check_choice('overlap', overlap, OVERLAP_MODES)
        check_choice('weight_type', weight_type, WEIGHT_TYPES)
        self.num_affinity = num_affinity
        self.reduction = reduction if num_affinity == 1 else None
        self.border = border
        self.overlap = overlap
        self.weight_type = weight_type
        self.align_corners = align_corners
        self.loss_affinity = MODELS.build(loss_affinity)
        if not getattr(self.loss_affinity, 'filter_bg', True) and (
            overlap == 'ignore' or weight_type != 'uniform'
        ):
            raise ValueError(
                'filter_bg=False counts every position alike, which contradicts '
                f'overlap={overlap!r} with weight_type={weight_type!r}; use '
                "filter_bg=True, or overlap='smaller_on_top' and weight_type='uniform'"
            )

    @abstractmethod
    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Map features, fine to coarse, to logits (B, num_affinity, H', W')."""

    def image_logits(
        self,
        feats: Sequence[Tensor],
        data_samples: SampleList,
        input_size: tuple[int, int],
    ) -> list[Tensor]:
        """Compute logits at network-input scale, without the padding of the batch.

        Args:
            feats (Sequence[Tensor]): Features, fine to coarse.
            data_samples (list[DetDataSample]): Samples; their ``img_shape`` is the size
                of the image before padding (without it the whole input is taken).
            input_size (tuple[int, int]): Height and width of the padded input.

        Returns:
            list[Tensor]: One (num_affinity, h, w) an image, float32.
        """
        # Resizing 16-bit logits would round them to steps of up to 1/16.
        logits = resize(self(feats).float(), input_size, self.align_corners)
        sizes = [_image_size(sample, input_size) for sample in data_samples]
        return [
            image[:, :height, :width]
            for image, (height, width) in zip(logits, sizes, strict=True)
        ]

    def loss(
        self,
        feats: Sequence[Tensor],
        data_samples: SampleList,
        input_size: tuple[int, int],
    ) -> dict[str, Tensor]:
        """Compute the loss of a batch.

        Args:
            feats (Sequence[Tensor]): Features, fine to coarse.
            data_samples (list[DetDataSample]): Samples with ``gt_instances.masks``.
            input_size (tuple[int, int]): Height and width of the padded input.

        Returns:
            dict[str, Tensor]: ``loss_pa``, a scalar.

        Raises:
            ValueError: If masks are missing or have another size than their image.
        """
        logits = self.image_logits(feats, data_samples, input_size)
        targets = [
            self.image_targets(sample, logits[0].device, input_size)
            for sample in data_samples
        ]
        weights = [
            affinity_weights(
                image.palette, image.valid, self.weight_type, self.num_affinity != 4
            )
            for image in targets
        ]
        loss = self.loss_affinity(logits, [image.target for image in targets], weights)
        return dict(loss_pa=loss)

    def predict(
        self,
        feats: Sequence[Tensor],
        data_samples: SampleList,
        input_size: tuple[int, int],
    ) -> list[Tensor]:
        """Predict the affinities of a batch at network-input scale.

        Args:
            feats (Sequence[Tensor]): Features, fine to coarse.
            data_samples (list[DetDataSample]): Samples; no ground truth is needed.
            input_size (tuple[int, int]): Height and width of the padded input.

        Returns:
            list[Tensor]: One (num_affinity, h, w) an image, float32 in [0, 1].
        """
        logits = self.image_logits(feats, data_samples, input_size)
        return [image.sigmoid() for image in logits]

    def image_targets(
        self,
        data_sample: DetDataSample,
        device: torch.device,
        input_size: tuple[int, int],
    ) -> ImageTargets:
        """Build the targets of one image on a device.

        Args:
            data_sample (DetDataSample): Sample with ``gt_instances.masks``
                (``BitmapMasks``, ``PolygonMasks`` or a tensor (N, h, w)), at the size
                of the image or of the padded input.
            device (torch.device): Where to build them.
            input_size (tuple[int, int]): Height and width of the padded input.

        Returns:
            ImageTargets: Target, supervised positions and palette.

        Raises:
            ValueError: If masks are missing or have another size than their image.
        """
        masks = _masks_tensor(data_sample, device, input_size)
        palette = instance_palette(masks, self.overlap)
        target, valid = affinity_targets(
            palette, self.reduction, self.border, bidirection=self.num_affinity != 4
        )
        return ImageTargets(target, valid, palette)


def _image_size(data_sample: DetDataSample, input_size: tuple[int, int]) -> tuple:
    """Return (height, width) of an image without the padding of its batch."""
    return tuple(data_sample.metainfo.get('img_shape', input_size)[:2])


def _masks_tensor(
    data_sample: DetDataSample, device: torch.device, input_size: tuple[int, int]
) -> Tensor:
    """Return the instance masks of an image, bool, (N, h, w)."""
    name = data_sample.metainfo.get('img_path', 'a sample without img_path')
    if 'gt_instances' not in data_sample or 'masks' not in data_sample.gt_instances:
        raise ValueError(
            f'{name} has no gt_instances.masks; load them with '
            "dict(type='LoadAnnotations', with_bbox=True, with_mask=True)"
        )
    masks = data_sample.gt_instances.masks
    if isinstance(masks, BaseInstanceMasks):
        masks = masks.to_tensor(dtype=torch.bool, device=device)
    size, mask_size = _image_size(data_sample, input_size), tuple(masks.shape[-2:])
    if mask_size not in (size, tuple(input_size)):
        raise ValueError(
            f'{name}: masks of size {mask_size} do not fit the image of size {size}; '
            'place LoadAnnotations before the transforms that change the size'
        )
    return masks[:, : size[0], : size[1]].to(device)
