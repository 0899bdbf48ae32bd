"""Heads that refine and judge boxes."""

from .bbox_score_head import Shared2FCBBoxScoreHead

__all__ = ['Shared2FCBBoxScoreHead']
