"""UPerNet-style affinity head.

Source: the decoder of "Unified Perceptual Parsing for Scene Understanding" (Xiao et
al., ECCV 2018), as GGN (Wang et al., CVPR 2022) uses it for pairwise affinity.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmdet.utils import ConfigType, OptConfigType
from torch import Tensor, nn

from ..layers.conv_block import ConvBlock
from ..layers.pyramid_pooling import PyramidPooling, resize
from .base_affinity_head import BaseAffinityHead


@MODELS.register_module()
class UPerAffinityHead(BaseAffinityHead):
    """Affinity head with pyramid pooling, a top-down path and multi-level fusion.

    The coarsest feature map goes through pyramid pooling, finer ones through lateral
    and top-down connections; all levels are resized to the finest, concatenated and
    fused. Light backbones need only other ``in_channels`` (and fewer ``channels``).

    Args:
        in_channels (Sequence[int]): Channels of the features, fine to coarse, at least
            two levels. Defaults to (256, 512, 1024, 2048), a ResNet-50.
        ppm_channels (int): Channels of each pooled branch. Defaults to 512.
        channels (int): Channels of each level. Defaults to 256.
        pool_scales (Sequence[int]): Grid sizes of pyramid pooling. Defaults to
            (1, 2, 3, 6).
        norm_cfg (dict, optional): Normalisation. Defaults to ``dict(type='BN')``.
        global_norm_cfg (dict, optional): Normalisation of the pooling branch of scale
            1, where batch normalisation degenerates; see :class:`PyramidPooling`.
            Defaults to one group over all channels.
        act_cfg (dict): Activation. Defaults to ``dict(type='ReLU')``.
        **kwargs: Arguments of :class:`BaseAffinityHead`.

    Raises:
        ValueError: If fewer than two levels are given.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (256, 512, 1024, 2048),
        ppm_channels: int = 512,
        channels: int = 256,
        pool_scales: Sequence[int] = (1, 2, 3, 6),
        norm_cfg: OptConfigType = dict(type='BN'),  # noqa: B006
        global_norm_cfg: OptConfigType = None,
        act_cfg: ConfigType = dict(type='ReLU'),  # noqa: B006
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if len(in_channels) < 2:
            raise ValueError(
                f'UPerAffinityHead fuses at least two levels, got {list(in_channels)}; '
                'use SimpleAffinityHead for one'
            )
        self.in_channels = tuple(in_channels)
        self.pyramid_pooling = PyramidPooling(
            self.in_channels[-1],
            ppm_channels,
            channels,
            pool_scales=pool_scales,
            norm_cfg=norm_cfg,
            global_norm_cfg=global_norm_cfg,
            act_cfg=act_cfg,
            align_corners=self.align_corners,
        )
        block = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        finer = self.in_channels[:-1]
        self.lateral_convs = nn.ModuleList(
            ConvBlock(width, channels, 1, **block) for width in finer
        )
        self.output_convs = nn.ModuleList(
            ConvBlock(channels, channels, 3, padding=1, **block) for _ in finer
        )
        self.fusion = ConvBlock(
            channels * len(self.in_channels), channels, 3, padding=1, **block
        )
        self.predictor = nn.Conv2d(channels, self.num_affinity, 1)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Compute logits at the scale of the finest features.

        Args:
            feats (Sequence[Tensor]): One (B, in_channels[i], H_i, W_i) a level, fine to
                coarse.

        Returns:
            Tensor: Logits, (B, num_affinity, H_0, W_0).

        Raises:
            ValueError: If the features do not fit ``in_channels``.
        """
        widths = tuple(feat.shape[1] for feat in feats)
        if widths != self.in_channels:
            raise ValueError(
                f'the head expects features of {self.in_channels} channels, the '
                f"backbone gives {widths}; set the head's in_channels or the "
                "backbone's out_indices"
            )
        path = self.pyramid_pooling(feats[-1])
        levels = [path]
        for level in reversed(range(len(self.lateral_convs))):
            lateral = self.lateral_convs[level](feats[level])
            path = lateral + self._resize(path, lateral)
            levels.insert(0, self.output_convs[level](path))
        levels = [self._resize(level, levels[0]) for level in levels]
        return self.predictor(self.fusion(torch.cat(levels, dim=1)))

    def _resize(self, x: Tensor, like: Tensor) -> Tensor:
        return resize(x, like.shape[-2:], self.align_corners)
