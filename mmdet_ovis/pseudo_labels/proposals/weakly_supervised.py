"""Proposals that a network which has seen words alone scores and refines.

Source: Mask-free OVIS (VS et al., CVPR 2023), which takes the best 50.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS
from mmengine.config import Config
from torch import nn

from .base import ProposalProvider
from .network import DetectorProposals


@TASK_UTILS.register_module()
class WSPNProposals(DetectorProposals):
    """Let a ``WeaklySupervisedProposalNetwork`` score and refine other proposals.

    The provider of ``inputs`` should be that of its training.

    Args:
        config (str | Path | Config): Config of the network.
        checkpoint (str | Path): Its weights.
        inputs (Mapping | ProposalProvider): The other provider, or its config, such as
            ``dict(type='SelectiveSearchProposals', top_k=1000)``.
        top_k (int, optional): Defaults to 50.
        **kwargs: Of :class:`.network.NetworkProposals`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If config and checkpoint do not fit each other, or the network finds
            its proposals itself.
    """

    name = 'wspn'

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        inputs: Mapping[str, Any] | ProposalProvider,
        top_k: int | None = 50,
        **kwargs: Any,
    ) -> None:
        if not isinstance(inputs, ProposalProvider):
            inputs = TASK_UTILS.build(dict(inputs))
        self.provider: ProposalProvider = inputs
        super().__init__(config, checkpoint, top_k=top_k, **kwargs)

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the network, and of who proposes to it."""
        return {**super().parameters, 'inputs': self.provider.parameters}

    def check(self, model: nn.Module) -> None:
        """Insist on a detector that takes proposals."""
        if not getattr(model, 'with_roi_head', False) or model.with_rpn:
            raise ValueError(
                f'{type(model).__name__} takes no proposals; WSPNProposals needs the '
                'config of a WeaklySupervisedProposalNetwork, DetectorProposals takes '
                'any detector'
            )

    def inputs(
        self, image: np.ndarray, image_id: int, file_name: str
    ) -> dict[str, Any]:
        """Return the image and its proposals."""
        found = self.provider.propose(image, image_id, file_name)
        return {
            **super().inputs(image, image_id, file_name),
            'proposals': found.boxes,
            'proposals_scores': found.scores,
        }
