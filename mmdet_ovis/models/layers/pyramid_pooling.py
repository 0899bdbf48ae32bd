"""Pyramid pooling with a global branch that also learns from single images.

Source: "Pyramid Scene Parsing Network" (Zhao et al., CVPR 2017), section 3.2, in the
arrangement of UPerNet (Xiao et al., ECCV 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from .conv_block import ConvBlock


def resize(x: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Resize (B, C, H, W) bilinearly to ``size`` (height, width)."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return functional.interpolate(
        x, size=tuple(size), mode='bilinear', align_corners=align_corners
    )


class PyramidPooling(BaseModule):
    """Concatenate a feature map with its averages over coarse grids and fuse them.

    The branch of pool scale 1 sees a single value a channel and image. Batch
    normalisation cannot stand there: with one image a process its output is exactly
    the bias in training, whatever the image holds (so its convolution gets no
    gradient), while its running variance shrinks to 0 and scales the branch by about
    316 at test time. This branch therefore normalises over its channels
    (``global_norm_cfg``), which has the same number of parameters, needs no batch
    statistics and does the same in training and at test time.

    Args:
        in_channels (int): Channels of the input.
        branch_channels (int): Channels of each pooled branch.
        out_channels (int): Channels of the output.
        pool_scales (Sequence[int]): Grid sizes of the branches. Defaults to
            (1, 2, 3, 6).
        norm_cfg (dict, optional): Normalisation of the fusion and of branches with a
            pool scale above 1. Defaults to ``dict(type='BN')``.
        global_norm_cfg (dict, optional): Normalisation of the branch of pool scale 1.
            Defaults to ``dict(type='GN', num_groups=1)``, and to no normalisation if
            ``norm_cfg`` is None. ``norm_cfg`` itself loads checkpoints trained with
            the same norm everywhere.
        act_cfg (dict): Activation. Defaults to ``dict(type='ReLU')``.
        align_corners (bool): How the branches are resized. Defaults to False.
        init_cfg (dict, optional): Initialisation config.
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int,
        out_channels: int,
        pool_scales: Sequence[int] = (1, 2, 3, 6),
        norm_cfg: OptConfigType = dict(type='BN'),  # noqa: B006
        global_norm_cfg: OptConfigType = None,
        act_cfg: ConfigType = dict(type='ReLU'),  # noqa: B006
        align_corners: bool = False,
        init_cfg: OptMultiConfig = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if global_norm_cfg is None and norm_cfg is not None:
            global_norm_cfg = dict(type='GN', num_groups=1)
        self.pool_scales = tuple(pool_scales)
        self.align_corners = align_corners
        self.branches = nn.ModuleList(
            ConvBlock(
                in_channels,
                branch_channels,
                kernel_size=1,
                norm_cfg=global_norm_cfg if scale == 1 else norm_cfg,
                act_cfg=act_cfg,
            )
            for scale in self.pool_scales
        )
        self.fusion = ConvBlock(
            in_channels + branch_channels * len(self.pool_scales),
            out_channels,
            kernel_size=3,
            padding=1,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )

    def forward_branch(self, index: int, x: Tensor) -> Tensor:
        """Pool to a grid, project, resize back, normalise and activate.

        The normalisation sees the resized map. The 1x1 convolution before it commutes
        with the resize (both are linear, and the resize weights add up to 1), so it
        runs on the small grid.

        Args:
            index (int): Index of the branch.
            x (Tensor): (B, in_channels, H, W).

        Returns:
            Tensor: (B, branch_channels, H, W).
        """
        branch = self.branches[index]
        pooled = branch.conv(functional.adaptive_avg_pool2d(x, self.pool_scales[index]))
        out = resize(pooled, x.shape[-2:], self.align_corners)
        if branch.with_norm:
            out = branch.norm(out)
        return branch.activate(out)

    def forward(self, x: Tensor) -> Tensor:
        """Return the fused map, (B, out_channels, H, W), of ``x`` (B, C, H, W)."""
        pooled = [self.forward_branch(index, x) for index in range(len(self.branches))]
        return self.fusion(torch.cat([x, *pooled], dim=1))
