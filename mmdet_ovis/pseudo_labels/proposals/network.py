"""Proposals of trained networks: what they share, those of RPNs and of detectors."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures import DetDataSample
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from torch import nn

from ...structures.pseudo_annotation import RLE
from ...utils.checkpoint import load_model_checkpoint
from ...utils.conversion import to_json, to_numpy
from ...utils.reproducible import one_algorithm
from ..mask_cleaning import encode_mask
from ..signature import file_sha256
from .base import FoundBoxes, ProposalProvider

_LOADER = {'type': 'LoadImageFromNDArray'}
_PACKER = {
    'type': 'PackDetInputs',
    'meta_keys': ('ori_shape', 'img_shape', 'scale_factor'),
}


class NetworkProposals(ProposalProvider):
    """Run a network of MMDetection on the image.

    The image goes through the test pipeline of the config, so that it is as large as
    in testing. The network is built when the provider is, and again in each process
    that the provider is sent to.

    Args:
        config (str | Path | Config): Config of the network.
        checkpoint (str | Path): Its weights, which have to fit exactly.
        device (str, optional): Where it runs. Defaults to the best one available.
        trust_checkpoint (bool): Load the checkpoint even if it holds pickled code.
        **kwargs: Of :class:`ProposalProvider`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If config and checkpoint do not fit each other, or the network
            cannot propose.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        device: str | None = None,
        trust_checkpoint: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cfg = load_config(config)
        self.checkpoint = Path(checkpoint)
        self.device = device or str(get_device())
        self.trust_checkpoint = trust_checkpoint
        self._model: nn.Module | None = None
        self._pipeline: Compose | None = None
        self._build()
        self._sha256 = file_sha256(self.checkpoint)

    @property
    def parameters(self) -> dict[str, Any]:
        """The network, its weights and its input, and the choice among its boxes."""
        return {
            **super().parameters,
            'model': to_json(self.cfg.model),
            'pipeline': to_json(image_pipeline_cfg(self.cfg)),
            'checkpoint_sha256': self._sha256,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_model': None, '_pipeline': None}

    def find(self, image: np.ndarray, image_id: int, file_name: str) -> FoundBoxes:
        """Run the network on one image."""
        if self._model is None:
            self._build()
        data = pseudo_collate([self._pipeline(self.inputs(image, image_id, file_name))])
        # One algorithm for a shape, so that a resumed run gives the same bytes.
        with torch.inference_mode(), one_algorithm():
            return self.predict(self._model, data, file_name)

    def inputs(
        self, image: np.ndarray, image_id: int, file_name: str
    ) -> dict[str, Any]:
        """Return what goes into the pipeline."""
        # Without a step that resizes, nothing else says so; heads ask for it.
        return {'img': image, 'img_id': image_id, 'scale_factor': (1.0, 1.0)}

    @abstractmethod
    def check(self, model: nn.Module) -> None:
        """Insist that a network is of the right kind.

        Raises:
            ValueError: If not.
        """

    @abstractmethod
    def predict(
        self, model: nn.Module, data: dict[str, Any], file_name: str
    ) -> FoundBoxes:
        """Find boxes in pixels of the original image.

        Args:
            model (nn.Module): The network.
            data (dict): A batch of one image, as the pipeline packs it.
            file_name (str): For messages.
        """

    def _build(self) -> None:
        with DefaultScope.overwrite_default_scope(
            self.cfg.get('default_scope', 'mmdet')
        ):
            self._pipeline = Compose(image_pipeline_cfg(self.cfg))
            model = MODELS.build(copy.deepcopy(self.cfg.model))
        self.check(model)
        load_model_checkpoint(model, self.checkpoint, trust=self.trust_checkpoint)
        self._model = model.to(self.device).eval()


@TASK_UTILS.register_module()
class RPNProposals(NetworkProposals):
    """Take the proposals of the RPN of a two-stage detector.

    What the RPN was trained with, boxes of labelled classes for example, is supervision
    on which the masks then rest.
    """

    name = 'rpn'

    def check(self, model: nn.Module) -> None:
        """Insist on a detector with an RPN."""
        if not getattr(model, 'with_rpn', False):
            raise ValueError(
                f'{type(model).__name__} has no RPN; RPNProposals needs the config of '
                'a two-stage detector'
            )

    def predict(
        self, model: nn.Module, data: dict[str, Any], file_name: str
    ) -> FoundBoxes:
        """Run backbone, neck and RPN."""
        data = model.data_preprocessor(data, False)
        samples: Sequence[DetDataSample] = data['data_samples']
        features = model.extract_feat(data['inputs'])
        (found,) = model.rpn_head.predict(features, samples, rescale=True)
        return FoundBoxes(to_numpy(found.bboxes), to_numpy(found.scores))


@TASK_UTILS.register_module()
class DetectorProposals(NetworkProposals):
    """Take the detections of a detector, whatever their class; masks where it has them.

    Meant for class-agnostic detectors. Same remark as for :class:`RPNProposals`.
    """

    name = 'detector'

    def check(self, model: nn.Module) -> None:
        """Any detector will do; :meth:`predict` sees what it predicts."""

    def predict(
        self, model: nn.Module, data: dict[str, Any], file_name: str
    ) -> FoundBoxes:
        """Run the detector.

        Raises:
            ValueError: If it predicts no instances.
        """
        (sample,) = model.test_step(data)
        if 'pred_instances' not in sample:
            raise ValueError(
                f'{type(model).__name__} predicts no instances; DetectorProposals '
                'needs the config of a detector'
            )
        found = sample.pred_instances
        encode = None
        if 'masks' in found:
            masks = found.masks

            def encode(places: np.ndarray) -> list[RLE]:
                return [encode_mask(to_numpy(masks[int(place)])) for place in places]

        return FoundBoxes(to_numpy(found.bboxes), to_numpy(found.scores), encode)


def load_config(config: str | Path | Config) -> Config:
    """Read the config of a network.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no config, or has no model.
    """
    if isinstance(config, Config):
        return config
    if not Path(config).is_file():
        raise FileNotFoundError(f'no such config: {config}')
    try:
        cfg = Config.fromfile(config)
    except SyntaxError as error:
        raise ValueError(f'{config} is not a valid config: {error}') from None
    if cfg.get('model') is None:
        raise ValueError(f'{config} has no model; proposals need that of a network')
    return cfg


def image_pipeline_cfg(cfg: Config) -> list[Mapping[str, Any]]:
    """Return the test pipeline of a config for an image in memory.

    Its annotations are not loaded. Without test data there is only the image itself.
    """
    steps = []
    if cfg.get('test_dataloader') is not None:
        steps = [
            step
            for step in get_test_pipeline_cfg(cfg)
            if not _name(step).startswith(('Load', 'Pack'))
        ]
    return [_LOADER, *steps, _PACKER]


def _name(step: Mapping[str, Any]) -> str:
    return str(step['type']).rpartition('.')[2]
