"""Heads on all locations of a feature map."""

from .oln_rpn_head import OlnRPNHead

__all__ = ['OlnRPNHead']
