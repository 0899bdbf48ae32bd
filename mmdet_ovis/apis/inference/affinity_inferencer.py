"""One photograph in, its affinity and its groups out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope

from pa_lib import GroupingConfig, GroupingResult, propose

from ...utils.checkpoint import load_model_checkpoint
from ..oln_ranker import OlnRanker, split_grouping
from ..running import load_config


@dataclass(frozen=True)
class AffinityPrediction:
    """What :class:`AffinityInferencer` finds in an image.

    Attributes:
        affinity (ndarray): (C, H, W) float32 in [0, 1], high inside objects.
        grouping (GroupingResult): Ranked masks and the tree they come from.
    """

    affinity: np.ndarray
    grouping: GroupingResult


class AffinityInferencer:
    """Group single images by their pairwise affinity.

    Args:
        config (str | PathLike | Config, optional): A config with ``model`` and
            ``pa_to_masks`` (with ``oln_ranker``, if OLN is to rank the masks).
            Defaults to the only config beside the checkpoint, which training puts
            there; without ``pa_to_masks`` the defaults of
            :class:`pa_lib.GroupingConfig` apply.
        checkpoint (str | PathLike): Weights of a ``PairwiseAffinityPredictor``.
        device (str, optional): Defaults to the best one available.
        trust_checkpoint (bool): Load the checkpoint even if it holds pickled code.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If config and checkpoint do not fit each other.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike,
        config: str | os.PathLike | Config | None = None,
        device: str | None = None,
        trust_checkpoint: bool = False,
    ) -> None:
        if not isinstance(config, Config):
            config = load_config(config or find_config(checkpoint))
        init_default_scope(config.get('default_scope', 'mmdet'))
        grouping, ranker = split_grouping(config)
        self.grouping_config = GroupingConfig.from_dict(grouping or {})
        self.device = torch.device(device or get_device())
        self.ranker = ranker and OlnRanker.from_dict(
            ranker, device=str(self.device), trust_checkpoint=trust_checkpoint
        )
        config.model.backbone.init_cfg = None
        self.model = MODELS.build(config.model)
        load_model_checkpoint(self.model, checkpoint, trust=trust_checkpoint)
        self.model.to(self.device).eval()

    def __call__(self, image: np.ndarray) -> AffinityPrediction:
        """Predict and group.

        Args:
            image (ndarray): (H, W, 3) uint8, RGB.
        """
        affinity = self.predict(image)
        candidates = propose(affinity, self.grouping_config)
        scores = None
        if self.ranker is not None:
            scores = self.ranker.rank(
                _to_bgr(image), candidates.boxes, candidates.scores
            )
        return AffinityPrediction(affinity, candidates.select(scores))

    @torch.inference_mode()
    def predict(self, image: np.ndarray) -> np.ndarray:
        """Predict without grouping.

        Args:
            image (ndarray): (H, W, 3) uint8, RGB.

        Returns:
            ndarray: (C, H, W) float32 in [0, 1].
        """
        shape = image.shape[:2]
        sample = DetDataSample(
            metainfo=dict(img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0))
        )
        data = self.model.data_preprocessor(
            dict(inputs=[_to_bgr(image)], data_samples=[sample]), False
        )
        (result,) = self.model.predict(data['inputs'], data['data_samples'])
        return result.pred_affinity.data.float().cpu().numpy()


def _to_bgr(image: np.ndarray) -> torch.Tensor:
    """Turn an RGB image (H, W, 3) into what pipelines load, (3, H, W) BGR."""
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))


def find_config(checkpoint: str | os.PathLike) -> Path:
    """Find the config that training left beside a checkpoint.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If there are several.
    """
    folder = Path(checkpoint).parent
    configs = sorted(folder.glob('*.py'))
    if not configs:
        raise FileNotFoundError(
            f'no config beside {checkpoint}: name the config it was trained with'
        )
    if len(configs) > 1:
        raise ValueError(
            f'several configs beside {checkpoint} '
            f'({", ".join(config.name for config in configs)}): name one'
        )
    return configs[0]
