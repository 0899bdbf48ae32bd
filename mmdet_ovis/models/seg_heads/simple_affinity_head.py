"""Affinity head on the last feature map alone."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.registry import MODELS
from mmdet.utils import ConfigType, OptConfigType
from torch import Tensor, nn

from ..layers.conv_block import ConvBlock
from .base_affinity_head import BaseAffinityHead


@MODELS.register_module()
class SimpleAffinityHead(BaseAffinityHead):
    """Two convolutions on the coarsest features: the ablation without a decoder.

    Source: the alternative head of GGN (Wang et al., CVPR 2022).

    Args:
        in_channels (int): Channels of the last feature map. Defaults to 2048.
        channels (int, optional): Hidden channels. Defaults to a quarter of
            ``in_channels``.
        dropout_ratio (float): Probability to drop a hidden value in training. Defaults
            to 0.1.
        norm_cfg (dict, optional): Normalisation. Defaults to ``dict(type='BN')``.
        act_cfg (dict): Activation. Defaults to ``dict(type='ReLU')``.
        **kwargs: Arguments of :class:`BaseAffinityHead`.
    """

    def __init__(
        self,
        in_channels: int = 2048,
        channels: int | None = None,
        dropout_ratio: float = 0.1,
        norm_cfg: OptConfigType = dict(type='BN'),  # noqa: B006
        act_cfg: ConfigType = dict(type='ReLU'),  # noqa: B006
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if channels is None:
            channels = in_channels // 4
        self.hidden = ConvBlock(
            in_channels, channels, 3, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        self.dropout = nn.Dropout(dropout_ratio)
        self.predictor = nn.Conv2d(channels, self.num_affinity, 1)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Compute logits at the scale of the last features.

        Args:
            feats (Sequence[Tensor]): Features, fine to coarse; the last one,
                (B, in_channels, H, W), is used.

        Returns:
            Tensor: Logits, (B, num_affinity, H, W).
        """
        return self.predictor(self.dropout(self.hidden(feats[-1])))
