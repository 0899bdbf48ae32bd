"""Convolution block of the affinity heads."""

from __future__ import annotations

from mmcv.cnn import ConvModule
from mmengine.model import constant_init


class ConvBlock(ConvModule):
    """``ConvModule`` that starts from PyTorch's own convolution initialisation.

    ``ConvModule`` draws weights with variance ``2 / fan_out``. PyTorch's default is
    ``1 / (3 fan_in)``, which is 24 times smaller for the 1024 -> 256 fusion layer of
    the affinity head. Before a normalisation layer the scale of the weights does not
    change the output but it divides the effective learning rate, and the learning
    rates of GGN were chosen for PyTorch's default.

    Takes the arguments of :class:`mmcv.cnn.ConvModule`.
    """

    def init_weights(self) -> None:
        """Initialise the convolution as PyTorch does and the norm as identity."""
        self.conv.reset_parameters()
        if self.with_norm:
            constant_init(self.norm, 1, bias=0)
