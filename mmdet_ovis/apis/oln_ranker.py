"""A second opinion on candidate masks: OLN judges their boxes.

Source: GGN (Wang et al., CVPR 2022), section 3.2, where masks from affinity are ranked
by their own score and the objectness of a network trained on the same seen classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from torch import Tensor

from ..models import OlnRoIHead, OlnRPNHead
from ..pseudo_labels.signature import file_sha256
from ..utils.checkpoint import load_model_checkpoint
from ..utils.conversion import to_json
from ..utils.reproducible import one_algorithm
from .running import load_config

CHUNK_SIZE = 1000
"""Boxes that are judged at once."""

RANKER_KEY = 'oln_ranker'
"""Key in ``pa_to_masks`` that holds the arguments of :class:`OlnRanker`."""


class OlnRanker:
    """Ranks the candidates of a grouping by their score and by OLN's.

    The score is ``pa / 2 + r + r c`` with the candidate's own score pa, the square root
    r of OLN's estimate of the box IoU, and the centerness c that its RPN sees at the
    anchor nearest to the box.

    Args:
        config (Config | str | Path): Config of an OLN, such as ``oln/oln_box.py``.
        checkpoint (str | Path): Its weights.
        scale (tuple[int, int], optional): Long and short side to which images are
            resized for OLN, keeping their ratio, px. Defaults to None: OLN sees what
            the affinity network sees.
        device (str): Where it runs. Defaults to ``'cpu'``.
        trust_checkpoint (bool): Load the checkpoint even if it holds pickled code.

    Raises:
        FileNotFoundError: If config or checkpoint are missing.
        ValueError: If the config is of no OLN, the checkpoint does not fit it, or the
            scale is not two sizes.
    """

    def __init__(
        self,
        config: Config | str | Path,
        checkpoint: str | Path,
        scale: Sequence[int] | None = None,
        device: str = 'cpu',
        trust_checkpoint: bool = False,
    ) -> None:
        self.scale = _check_scale(scale)
        self.model = MODELS.build(_model_cfg(config))
        if not _is_oln(self.model):
            raise ValueError(
                f'{_name(config)} builds no OLN ({type(self.model).__name__} without '
                'OlnRPNHead and OlnRoIHead); oln_ranker needs one such as '
                'oln/oln_box.py'
            )
        load_model_checkpoint(self.model, checkpoint, trust=trust_checkpoint)
        self.device = torch.device(device)
        self.model.to(self.device).eval()

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any], **kwargs: Any) -> OlnRanker:
        """Build from ``pa_to_masks.oln_ranker`` of a config.

        Raises:
            ValueError: If a key is unknown or missing.
        """
        _check_keys(parameters)
        return cls(**parameters, **kwargs)

    @torch.inference_mode()
    def rank(self, image: Tensor, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Score the candidates of one image.

        Args:
            image (Tensor): (3, H, W) uint8, BGR.
            boxes (np.ndarray): (n, 4) xywh, px of the image.
            scores (np.ndarray): (n,) their own scores, in [0, 2] for GGN's.

        Returns:
            np.ndarray: (n,) float64, higher is better, in [0, 3] for GGN's scores.
        """
        if not len(boxes):
            return np.zeros(0)
        corners = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
        inputs, factor = self._prepare(image)
        corners = torch.from_numpy(corners).float().to(self.device) * factor
        # One algorithm for a shape, so that a resumed run gives the same bytes.
        with one_algorithm():
            features = self.model.extract_feat(inputs)
            quality = torch.cat(
                [
                    self.model.roi_head.score_boxes(features, [chunk])
                    for chunk in corners.split(CHUNK_SIZE)
                ]
            ).sqrt()
            center = self.model.rpn_head.score_boxes(features, corners)
        judged = (quality + quality * center).double().cpu().numpy()
        return scores / 2 + judged

    def _prepare(self, image: Tensor) -> tuple[Tensor, float]:
        """Return the batch of one image, and the factor by which boxes grow."""
        factor = 1.0
        if self.scale is not None:
            array = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
            array, factor = mmcv.imrescale(array, tuple(self.scale), return_scale=True)
            image = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
        sample = DetDataSample(metainfo=dict(img_shape=tuple(image.shape[-2:])))
        data = dict(inputs=[image], data_samples=[sample])
        return self.model.data_preprocessor(data, False)['inputs'], factor


def split_grouping(
    cfg: Config,
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Read how a config groups, and who ranks what comes out.

    Args:
        cfg (Config): With ``pa_to_masks`` at the top level or in ``model.test_cfg``.

    Returns:
        tuple[dict | None, dict | None]: Arguments of :class:`pa_lib.GroupingConfig` and
        of :class:`OlnRanker`; None where the config says nothing.
    """
    in_model = (cfg.model.get('test_cfg') or {}).get('pa_to_masks')
    grouping = cfg.get('pa_to_masks', in_model)
    if grouping is None:
        return None, None
    grouping = dict(grouping)
    ranker = grouping.pop(RANKER_KEY, None)
    return grouping, None if ranker is None else dict(ranker)


def ranker_signature(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Collect all that the scores of a ranker depend on besides what it judges.

    Args:
        parameters (Mapping): Arguments of :class:`OlnRanker`.

    Returns:
        dict[str, Any]: Ready for JSON.

    Raises:
        FileNotFoundError: If config or checkpoint are missing.
        ValueError: If a key is unknown or missing.
    """
    _check_keys(parameters)
    return {
        'model': to_json(_model_cfg(parameters['config'])),
        'checkpoint_sha256': file_sha256(parameters['checkpoint']),
        'scale': _check_scale(parameters.get('scale')),
    }


def _check_keys(parameters: Mapping[str, Any]) -> None:
    unknown = sorted(set(parameters) - {'config', 'checkpoint', 'scale'})
    missing = sorted({'config', 'checkpoint'} - set(parameters))
    if unknown or missing:
        raise ValueError(
            'oln_ranker takes the keys config, checkpoint and scale; unknown: '
            f'{unknown}, missing: {missing}'
        )


def _model_cfg(config: Config | str | Path) -> ConfigDict:
    model = (config if isinstance(config, Config) else load_config(config)).get('model')
    if model is None:
        raise ValueError(f'{_name(config)} has no model; oln_ranker needs an OLN')
    return model


def _name(config: Config | str | Path) -> str:
    return 'the config' if isinstance(config, Config) else str(config)


def _is_oln(model: torch.nn.Module) -> bool:
    return isinstance(getattr(model, 'rpn_head', None), OlnRPNHead) and isinstance(
        getattr(model, 'roi_head', None), OlnRoIHead
    )


def _check_scale(scale: Sequence[int] | None) -> list[int] | None:
    if scale is None:
        return None
    if len(scale) != 2 or min(scale) < 1:
        raise ValueError(f'scale is (long side, short side) in pixels, not {scale}')
    return list(scale)
