"""Detector that learns where one object ends and the next begins.

Source: GGN, "Open-World Instance Segmentation: Exploiting Pseudo Ground Truth From
Learned Pairwise Affinity" (Wang et al., CVPR 2022), section 3.1.
"""

from __future__ import annotations

import torch
from mmdet.models.detectors.base import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, OptSampleList, SampleList
from mmdet.structures.mask import mask2bbox
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from pa_lib import GroupingConfig, GroupingResult, group

_TEST_OPTIONS = ('pa_to_masks', 'max_per_img')


@MODELS.register_module()
class PairwiseAffinityPredictor(BaseDetector):
    """Predict pairwise affinity, and group it into class-agnostic masks on request.

    **What the output means.** The network is trained on the instances of seen classes
    to tell, for each pixel, which of its eight neighbours belong to the same instance.
    With one output channel the target t is the mean over the neighbours, and the loss
    weights its positive term by 0.05, so the best score is not t but
    ``s* = 0.05 t / (0.05 t + 1 - t)``: 1 at t = 1, 0.26 at t = 7/8, 0.05 at t = 1/2.
    The output is therefore a sharp score of being deep inside an object, close to 0
    along every boundary, and ``1 - s`` is a boundary map. It is not a calibrated
    probability. Since boundaries look alike for seen and unseen classes, the map
    generalises where a classifier would not; objects without label are background in
    training, but pairs of background pixels teach nothing.

    :meth:`predict` attaches to each data sample:

    - ``pred_affinity``: ``PixelData(data)``, float32 in [0, 1], (C, h, w), at the scale
      of the network input without padding.
    - ``gt_affinity``, if ``gt_instances.masks`` are there: ``PixelData`` with
      ``target`` float32 (C, h, w), ``valid`` bool (C, h, w) and ``palette`` int32
      (1, h, w).
    - ``pred_instances``, if ``test_cfg.pa_to_masks`` is set: ``InstanceData`` with
      ``masks`` bool (n, H, W), ``scores`` float32 (n,), best first, ``labels`` int64
      (n,), all 0, and ``bboxes`` float32 (n, 4), xyxy in pixels; and ``grouping``, the
      :class:`pa_lib.GroupingResult` they come from, at network-input scale.

    Args:
        backbone (dict): Config of the backbone.
        affinity_head (dict): Config of the head, for example ``UPerAffinityHead``.
        neck (dict, optional): Config of a neck between the two. Defaults to None.
        train_cfg (dict, optional): Present for mmdet's convention; this detector has
            no training options outside its head.
        test_cfg (dict, optional): ``pa_to_masks``, a dict of
            :class:`pa_lib.GroupingConfig` fields or None for no grouping, and
            ``max_per_img``, the largest number of masks to return (default: all).
        data_preprocessor (dict, optional): Config of the data preprocessor.
        init_cfg (dict, optional): Initialisation config.

    Raises:
        ValueError: If ``test_cfg`` has an unknown key or value.
    """

    def __init__(
        self,
        backbone: ConfigType,
        affinity_head: ConfigType,
        neck: OptConfigType = None,
        train_cfg: OptConfigType = None,
        test_cfg: OptConfigType = None,
        data_preprocessor: OptConfigType = None,
        init_cfg: OptMultiConfig = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        if neck is not None:
            self.neck = MODELS.build(neck)
        self.affinity_head = MODELS.build(affinity_head)
        self.train_cfg = train_cfg
        self.test_cfg = test_cfg
        self.grouping_cfg, self.max_per_img = _parse_test_cfg(test_cfg)

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Extract features, fine to coarse, from images (B, 3, H, W)."""
        feats = self.backbone(batch_inputs)
        return self.neck(feats) if self.with_neck else feats

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: OptSampleList = None
    ) -> Tensor:
        """Return logits (B, C, H', W') at the scale of the head."""
        return self.affinity_head(self.extract_feat(batch_inputs))

    def loss(
        self, batch_inputs: Tensor, batch_data_samples: SampleList
    ) -> dict[str, Tensor]:
        """Compute the loss of a batch.

        Args:
            batch_inputs (Tensor): Normalised and padded images, (B, 3, H, W).
            batch_data_samples (list[DetDataSample]): Samples with
                ``gt_instances.masks``.

        Returns:
            dict[str, Tensor]: ``loss_pa``, a scalar.
        """
        return self.affinity_head.loss(
            self.extract_feat(batch_inputs),
            batch_data_samples,
            tuple(batch_inputs.shape[-2:]),
        )

    def predict(
        self,
        batch_inputs: Tensor,
        batch_data_samples: SampleList,
        rescale: bool = True,
    ) -> SampleList:
        """Predict the affinity of a batch, and its masks if they are asked for.

        Args:
            batch_inputs (Tensor): Normalised and padded images, (B, 3, H, W).
            batch_data_samples (list[DetDataSample]): Samples, with or without ground
                truth.
            rescale (bool): Give masks and boxes at the original image size, if the
                sample was resized (has ``scale_factor``). ``pred_affinity`` and
                ``grouping`` stay at network-input scale. Defaults to True.

        Returns:
            list[DetDataSample]: The same samples, with the fields that the class
            docstring lists.

        Raises:
            ValueError: If an affinity is not finite while masks are asked for.
        """
        input_size = tuple(batch_inputs.shape[-2:])
        affinities = self.affinity_head.predict(
            self.extract_feat(batch_inputs), batch_data_samples, input_size
        )
        for sample, affinity in zip(batch_data_samples, affinities, strict=True):
            sample.pred_affinity = PixelData(data=affinity)
            if 'gt_instances' in sample and 'masks' in sample.gt_instances:
                truth = self.affinity_head.image_targets(
                    sample, affinity.device, input_size
                )
                sample.gt_affinity = PixelData(
                    target=truth.target, valid=truth.valid, palette=truth.palette[None]
                )
            if self.grouping_cfg is not None:
                self._add_instances(sample, affinity, rescale)
        return batch_data_samples

    def _add_instances(
        self, sample: DetDataSample, affinity: Tensor, rescale: bool
    ) -> None:
        """Group one affinity map and attach the result."""
        try:
            result = group(affinity.cpu().numpy(), self.grouping_cfg)
        except ValueError as error:
            name = sample.metainfo.get('img_path', 'a sample without img_path')
            raise ValueError(f'{name}: cannot group its affinity: {error}') from error
        size = tuple(affinity.shape[-2:])
        if rescale and 'scale_factor' in sample.metainfo:
            size = tuple(sample.metainfo['ori_shape'][:2])
        sample.set_field(result, 'grouping')
        sample.pred_instances = _to_instances(
            result, size, self.max_per_img, affinity.device
        )


def _to_instances(
    result: GroupingResult,
    size: tuple[int, int],
    max_per_img: int | None,
    device: torch.device,
) -> InstanceData:
    """Turn the best groups into masks of a size, with their tight boxes."""
    masks = torch.from_numpy(result.masks(max_per_img, size=size))
    scores = torch.from_numpy(result.scores[: len(masks)]).float()
    return InstanceData(
        masks=masks.to(device),
        scores=scores.to(device),
        labels=torch.zeros(len(masks), dtype=torch.long, device=device),
        bboxes=mask2bbox(masks).to(device),
    )


def _parse_test_cfg(
    test_cfg: OptConfigType,
) -> tuple[GroupingConfig | None, int | None]:
    """Read the test options: how to group, and how many masks to return."""
    options = dict(test_cfg or {})
    unknown = sorted(set(options) - set(_TEST_OPTIONS))
    if unknown:
        raise ValueError(
            f'unknown keys {unknown} in test_cfg; it takes {", ".join(_TEST_OPTIONS)}'
        )
    max_per_img = options.get('max_per_img')
    if max_per_img is not None and max_per_img < 1:
        raise ValueError(f'max_per_img must be at least 1 or None, got {max_per_img}')
    grouping = options.get('pa_to_masks')
    if grouping is not None:
        grouping = GroupingConfig.from_dict(dict(grouping))
    return grouping, max_per_img
