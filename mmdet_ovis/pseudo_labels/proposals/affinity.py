"""Proposals of a network of pairwise affinities: what grouping makes of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS
from mmengine.config import Config
from torch import nn

from pa_lib import GroupingConfig, group

from ...utils.conversion import to_numpy
from .base import FoundBoxes
from .network import NetworkProposals, load_config


@TASK_UTILS.register_module()
class AffinityProposals(NetworkProposals):
    """Group the affinity of a ``PairwiseAffinityPredictor``: boxes with masks.

    Args:
        pa_to_masks (Mapping, optional): Arguments of :class:`pa_lib.GroupingConfig`.
            Defaults to ``pa_to_masks`` of the config, at its top level or in
            ``model.test_cfg``, else to those of the class.
        **kwargs: Of :class:`NetworkProposals`.

    Raises:
        ValueError: If a key of ``pa_to_masks`` is unknown to grouping.
    """

    name = 'pa'

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        pa_to_masks: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        config = load_config(config)
        in_model = config.model.get('test_cfg') or {}
        if pa_to_masks is None:
            pa_to_masks = config.get('pa_to_masks') or in_model.get('pa_to_masks')
        self.grouping = GroupingConfig.from_dict(dict(pa_to_masks or {}))
        # Grouping is done here, not in the model.
        if in_model.get('pa_to_masks') is not None:
            config = copy.deepcopy(config)
            config.model.test_cfg.pop('pa_to_masks')
        super().__init__(config, checkpoint, **kwargs)

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the network, and of grouping."""
        return {**super().parameters, 'pa_to_masks': asdict(self.grouping)}

    def check(self, model: nn.Module) -> None:
        """Any network will do; :meth:`predict` sees what it predicts."""

    def predict(
        self, model: nn.Module, data: dict[str, Any], file_name: str
    ) -> FoundBoxes:
        """Predict the affinity and group it.

        Raises:
            ValueError: If the network predicts no affinity, or one that is not finite.
        """
        (sample,) = model.test_step(data)
        if 'pred_affinity' not in sample:
            raise ValueError(
                f'{type(model).__name__} predicts no affinity; AffinityProposals needs '
                'the config of a PairwiseAffinityPredictor'
            )
        size = tuple(sample.metainfo['ori_shape'][:2])
        try:
            result = group(to_numpy(sample.pred_affinity.data), self.grouping)
        except ValueError as error:
            raise ValueError(
                f'{file_name}: cannot group its affinity: {error}'
            ) from None
        corners = np.hstack(
            [result.boxes[:, :2], result.boxes[:, :2] + result.boxes[:, 2:]]
        )
        height, width = result.labels.shape
        factor = np.array([size[1] / width, size[0] / height] * 2)
        return FoundBoxes(
            corners * factor,
            result.scores,
            lambda places: result.tree.rles(result.node_ids[places], size),
        )
